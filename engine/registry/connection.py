"""Owns one HTTP exchange with one host: TLS by the host's certificates, proxies, time limits; blocking.

Runs in worker processes, by the standard library's ``http.client``. A connection is kept for the next request
to the same host. Refuses redirects, retries and secrets.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
import urllib.parse
from typing import TYPE_CHECKING, Any

from engine.errors import InvalidInput, RegistryError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CERTIFICATE_FOLDERS = ("/etc/docker/certs.d", "/etc/containers/certs.d")
_CONNECT_SECONDS = 30
_SILENT_SECONDS = 60
_REFUSAL_LIMIT = 1 << 16
_PORTS = {"https": 443, "http": 80}
_AGENT = "tuidock"


class Response:
    """An answer: ``status``, ``reason``, ``headers``, and a body that is read once, or dropped."""

    def __init__(self, url: str, answer: http.client.HTTPResponse) -> None:
        self.url = url
        self.status = answer.status
        self.reason = answer.reason
        self.headers = answer.headers
        self._answer = answer

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with what has come; 0 at the end. RegistryError if the connection broke."""
        try:
            return self._answer.readinto(buffer)
        except (OSError, http.client.HTTPException) as error:
            raise _broken(self.url, error) from error

    def read(self, limit: int) -> bytes:
        """The whole body; RegistryError if it is longer than ``limit`` bytes, or cut short."""
        try:
            body = self._answer.read(limit + 1)
        except (OSError, http.client.HTTPException) as error:
            raise _broken(self.url, error) from error
        if len(body) > limit:
            raise RegistryError(
                f"{self.url}: the answer is longer than {limit} bytes", code="TOOLARGE", temporary=False
            )
        expected = self._answer.getheader("Content-Length")
        if expected is not None and expected.isdigit() and len(body) < int(expected):
            raise _broken(self.url, EOFError(f"it ended after {len(body)} of {expected} bytes"))
        return body

    def refusal(self) -> bytes:
        """The beginning of an error's body; nothing if that breaks off too."""
        try:
            return self._answer.read(_REFUSAL_LIMIT)
        except (OSError, http.client.HTTPException):
            return b""

    def close(self) -> None:
        """Drop what was not read."""
        self._answer.close()


class Connections:
    """The open connections of one worker, one a host."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._open: dict[tuple[str, str], http.client.HTTPConnection] = {}

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any = None,
        *,
        insecure: bool = False,
    ) -> Response:
        """Send one request; RegistryError (temporary or not) if there is no answer."""
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise RegistryError(f"{url} is no address of a registry", code="URL", temporary=False)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        key = (parts.scheme, parts.netloc)
        kept = self._open.pop(key, None)
        connection = kept or self._connect(parts, insecure=insecure)
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers}
        try:
            answer = self._exchange(connection, method, target, headers, body)
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            if kept is None or not _is_stale(error) or (body is not None and not isinstance(body, bytes)):
                raise _broken(url, error) from error
            connection = self._connect(parts, insecure=insecure)  # it was kept for too long
            try:
                answer = self._exchange(connection, method, target, headers, body)
            except (http.client.HTTPException, OSError) as again:
                connection.close()
                raise _broken(url, again) from again
        self._open[key] = connection
        return Response(url, answer)

    def close(self) -> None:
        """Close all."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: Any,
    ) -> http.client.HTTPResponse:
        connection.request(method, target, body=body, headers=dict(headers))
        if connection.sock is not None:
            connection.sock.settimeout(_SILENT_SECONDS)
        return connection.getresponse()

    def _connect(self, parts: urllib.parse.SplitResult, *, insecure: bool) -> http.client.HTTPConnection:
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        proxy = self._proxy(parts.scheme, host, port)
        at_host, at_port = (
            (proxy.hostname or "", proxy.port or _PORTS[proxy.scheme or "http"]) if proxy else (host, port)
        )
        made: http.client.HTTPConnection
        if parts.scheme == "https":
            context = _context(parts.netloc, insecure=insecure)
            made = http.client.HTTPSConnection(at_host, at_port, timeout=_CONNECT_SECONDS, context=context)
            if proxy:
                made.set_tunnel(host, port, headers=_proxy_headers(proxy))
            return made
        made = http.client.HTTPConnection(at_host, at_port, timeout=_CONNECT_SECONDS)
        if proxy:  # by CONNECT too: then what follows is the same as without
            made.set_tunnel(host, port, headers=_proxy_headers(proxy))
        return made

    def _proxy(self, scheme: str, host: str, port: int) -> urllib.parse.SplitResult | None:
        proxies = proxies_of(self._environ)
        address = proxies.get(scheme) or proxies.get("all")
        if not address or _is_direct(host, port, proxies.get("no", "")):
            return None
        return urllib.parse.urlsplit(address if "://" in address else f"http://{address}")


def proxies_of(environ: Mapping[str, str]) -> dict[str, str]:
    """http, https, all and no (for which there is none), as curl reads them: small letters win."""
    found: dict[str, str] = {}
    for name in ("http", "https", "all", "no"):
        value = environ.get(f"{name}_proxy") or environ.get(f"{name.upper()}_PROXY")
        if value:
            found[name] = value
    return found


def _is_direct(host: str, port: int, without: str) -> bool:
    """As Go's http: names and their subdomains, addresses, ranges, with a port or not; ``*`` is all."""
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in filter(None, map(str.strip, without.split(","))):
        name, colon, number = entry.rpartition(":")
        bare = entry
        if colon and number.isdigit() and ":" not in name:
            if int(number) != port:
                continue
            bare = name
        if bare == "*" or _fits(host, address, bare):
            return True
    return False


def _fits(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, entry: str) -> bool:
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            return False
    suffix = entry.lower().lstrip("*").lstrip(".")
    return host.lower() == suffix or host.lower().endswith(f".{suffix}")


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _proxy_headers(proxy: urllib.parse.SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    import base64

    pair = f"{urllib.parse.unquote(proxy.username)}:{urllib.parse.unquote(proxy.password or '')}"
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _context(host: str, *, insecure: bool) -> ssl.SSLContext:
    """TLS as the machine trusts it, with what certs.d/HOST adds: ``*.crt`` authorities, ``*.cert`` ours."""
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for folder in _CERTIFICATE_FOLDERS:
        place = f"{folder}/{host}"
        try:
            names = sorted(os.listdir(place))
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            path = f"{place}/{name}"
            try:
                if name.endswith(".crt"):
                    context.load_verify_locations(path)
                elif name.endswith(".cert"):
                    context.load_cert_chain(path, path.removesuffix(".cert") + ".key")
            except (OSError, ssl.SSLError) as error:
                remedy = "a client certificate NAME.cert needs its NAME.key beside it, both in PEM"
                raise InvalidInput(path, str(error.strerror or error), remedy=remedy) from error
    return context


def _is_stale(error: BaseException) -> bool:
    return isinstance(error, http.client.RemoteDisconnected | ConnectionResetError | BrokenPipeError)


def _broken(url: str, error: BaseException) -> RegistryError:
    host = urllib.parse.urlsplit(url).netloc
    if isinstance(error, ssl.SSLCertVerificationError):
        return RegistryError(
            f"{host}: {error.verify_message}",
            code="CERTIFICATE",
            temporary=False,
            remedy=f"put its authority into {_CERTIFICATE_FOLDERS[0]}/{host}/ca.crt",
        )
    if isinstance(error, ssl.SSLError):
        remedy = f'if it speaks plain HTTP, say so: [registry."{host}"] insecure = true in registries.toml'
        return RegistryError(
            f"{host}: no TLS ({error.reason or error})", code="TLS", temporary=False, remedy=remedy
        )
    if isinstance(error, TimeoutError):
        return RegistryError(f"{host}: no answer in time", code="TIMEOUT", temporary=True)
    if isinstance(error, OSError) and error.errno:
        reason = error.strerror or str(error)
        unknown = isinstance(error, socket.gaierror)
        return RegistryError(
            f"cannot reach {host}: {reason}",
            code="UNKNOWNHOST" if unknown else "UNREACHABLE",
            temporary=not unknown,
            remedy="check the name, the network and the proxies (HTTPS_PROXY, NO_PROXY)",
        )
    return RegistryError(
        f"{host}: the connection broke ({str(error) or type(error).__name__})", code="BROKEN", temporary=True
    )
