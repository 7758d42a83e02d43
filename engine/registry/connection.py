"""Owns one HTTP exchange with one host: TLS, proxies, time limits, what a broken line means; blocking.

Runs in worker processes, by the standard library's ``http.client``. A connection is kept for the next request
to the same host. Refuses redirects, retries and secrets: of an address only host and path are ever shown, as
the rest may be a signature.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.parse
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import EngineError, RegistryError
from engine.registry import certificates
from engine.registry.proxies import Proxy, proxy_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONNECT_SECONDS = 30
_SILENT_SECONDS = 60
_SILENT_WRITE_SECONDS = 300
"""A registry may copy a blob of gigabytes before it answers that it has it."""
_REFUSAL_LIMIT = 1 << 16
_PORTS = {"https": 443, "http": 80}
_AGENT = "tuidock"
_KEPT_CHARACTERS = "/%:=&?~#+!$,;'@()*[]"
_UNKNOWN_NAMES = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_GONE = (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class Response:
    """An answer: ``status``, ``reason``, ``headers``, and a body that is read once, or dropped."""

    def __init__(
        self, url: str, answer: http.client.HTTPResponse, connection: http.client.HTTPConnection
    ) -> None:
        self.url = url
        self.status = answer.status
        self.reason = answer.reason
        self.headers = answer.headers
        self._answer = answer
        self._connection = connection

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with what has come; 0 at the end. RegistryError if the connection broke."""
        try:
            return self._answer.readinto(buffer)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise _broken(self.url, error) from error

    def read(self, limit: int) -> bytes:
        """The whole body; RegistryError if it is longer than ``limit`` bytes, or cut short."""
        try:
            body = self._answer.read(limit + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise _broken(self.url, error) from error
        if len(body) > limit:
            self.close()
            reason = f"{shown(self.url)}: the answer is longer than {limit} bytes"
            raise RegistryError(reason, code="TOOLARGE", temporary=False)
        expected = self._answer.getheader("Content-Length", "")
        if expected.isdigit() and len(body) < int(expected) and not self._is_bare():
            raise _broken(self.url, EOFError(f"it ended after {len(body)} of {expected} bytes"))
        return body

    def refusal(self) -> bytes:
        """The beginning of an error's body; nothing if that breaks off too."""
        try:
            body = self._answer.read(_REFUSAL_LIMIT)
        except (OSError, http.client.HTTPException, ValueError):
            body = b""
        self.close()
        return body

    def close(self) -> None:
        """Drop what was not read, and the connection with it: the next answer would begin with that."""
        if self._is_bare() and not self._answer.isclosed():
            self._answer.read()
        if not self._answer.isclosed():
            self._answer.close()
            self._connection.close()

    def _is_bare(self) -> bool:
        """Whether there is no body, whatever the headers say: the answer to HEAD."""
        return self._answer.length == 0 or self._answer._method == "HEAD"  # type: ignore[attr-defined]  # noqa: SLF001


class _Line(NamedTuple):
    connection: http.client.HTTPConnection
    proxy: Proxy | None


class _Stale(Exception):
    def __init__(self, error: Exception) -> None:
        self.error = error


class Connections:
    """The open connections of one worker, one a host."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._open: dict[tuple[str, str], tuple[_Line, http.client.HTTPResponse]] = {}

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any = None,
        *,
        insecure: bool = False,
    ) -> Response:
        """Send one request; RegistryError (temporary or not) if there is no answer.

        ``body`` is bytes, or gives them anew each time that it is iterated.
        """
        parts = split(url)
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers}
        kept = self._kept(parts)
        if kept is not None:
            try:
                return self._answered(kept, url, method, headers, body)
            except _Stale:
                pass
        try:
            return self._answered(self._connected(parts, insecure=insecure), url, method, headers, body)
        except _Stale as stale:
            raise _broken(url, stale.error) from stale.error

    def _answered(
        self, line: _Line, url: str, method: str, headers: Mapping[str, str], body: Any
    ) -> Response:
        """The answer that comes on ``line``; _Stale if the other side has closed that."""
        parts = split(url)
        try:
            answer, whole = _exchange(line, method, parts, headers, body)
        except _GONE as error:
            line.connection.close()
            raise _Stale(error) from error
        except (http.client.HTTPException, OSError) as error:
            line.connection.close()
            raise _broken(url, error) from error
        except ValueError:
            line.connection.close()
            # Not even as the cause: it shows the header, which may be a secret.
            reason = f"{shown(url)}: a header or an address that HTTP cannot carry"
            raise RegistryError(reason, code="HEADER", temporary=False) from None
        if whole:
            self._open[parts.scheme, parts.netloc] = (line, answer)
        return Response(url, answer, line.connection)

    def close(self) -> None:
        """Close all."""
        for line, _ in self._open.values():
            line.connection.close()
        self._open.clear()

    def _kept(self, parts: urllib.parse.SplitResult) -> _Line | None:
        """The line of before, if its answer was read to the end."""
        line, answer = self._open.pop((parts.scheme, parts.netloc), (None, None))
        if line is None or answer is None:
            return None
        if line.connection.sock is None or not answer.isclosed():
            line.connection.close()
            return None
        return line

    def _connected(self, parts: urllib.parse.SplitResult, *, insecure: bool) -> _Line:
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        proxy = proxy_of(self._environ, parts.scheme, host, port)
        at = (proxy.host, proxy.port) if proxy else (host, port)
        made: http.client.HTTPConnection
        if parts.scheme == "https":
            context = certificates.context(_shown_host(parts), self._environ, insecure=insecure)
            made = http.client.HTTPSConnection(*at, timeout=_CONNECT_SECONDS, context=context)
            if proxy:
                made.set_tunnel(host, port, headers=proxy.headers)
        else:
            made = http.client.HTTPConnection(*at, timeout=_CONNECT_SECONDS)
        try:
            made.connect()
        except (OSError, http.client.HTTPException, ValueError) as error:
            made.close()
            raise _unreachable(_shown_host(parts), error, proxy) from error
        return _Line(made, proxy)


def split(url: str) -> urllib.parse.SplitResult:
    """The parts of an http or https address; RegistryError if it is none."""
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise RegistryError(f"{shown(url)} is no address of a registry", code="URL", temporary=False)


def origin(url: str) -> tuple[str, str, int]:
    """(scheme, host, port): who it is that may be told a secret again."""
    parts = split(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS[parts.scheme]


def shown(url: str) -> str:
    """Of an address what may be shown: neither user nor query, which may be secrets."""
    try:
        parts = urllib.parse.urlsplit(url)
        return urllib.parse.urlunsplit((parts.scheme, _shown_host(parts), parts.path, "", ""))[:200]
    except ValueError:
        return "an address"


def _shown_host(parts: urllib.parse.SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _target(parts: urllib.parse.SplitResult, proxy: Proxy | None) -> str:
    """What is asked for: a proxy of plain HTTP is told the whole address (RFC 9112, 3.2.2)."""
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    if path.startswith("//"):
        path = "/" + path.lstrip("/")
    path = urllib.parse.quote(path, safe=_KEPT_CHARACTERS)
    return f"http://{_shown_host(parts)}{path}" if proxy and parts.scheme == "http" else path


def _exchange(
    line: _Line, method: str, parts: urllib.parse.SplitResult, headers: Mapping[str, str], body: Any
) -> tuple[http.client.HTTPResponse, bool]:
    """(the answer, whether all of the request was taken, so that the connection can be used again)."""
    connection, target = line.connection, _target(parts, line.proxy)
    plain = line.proxy.headers if line.proxy and parts.scheme == "http" else {}
    sent = {**headers, **plain}
    if connection.sock is not None:
        patience = _SILENT_SECONDS if method in {"GET", "HEAD"} else _SILENT_WRITE_SECONDS
        connection.sock.settimeout(patience)
    try:
        connection.request(method, target, body=body, headers=sent)
    except (BrokenPipeError, ConnectionResetError):
        try:
            return connection.getresponse(), False  # it may have answered before it had heard all
        except (http.client.HTTPException, OSError):
            pass
        raise
    return connection.getresponse(), True


def _unreachable(host: str, error: Exception, proxy: Proxy | None) -> EngineError:
    """Why there is no connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return RegistryError(
            f"{host}: {error.verify_message}",
            code="CERTIFICATE",
            temporary=False,
            remedy=f"put its authority into {certificates.FOLDERS[0]}/{host}/ca.crt",
        )
    if isinstance(error, ssl.SSLError):
        remedy = f'if it speaks plain HTTP, say so: [registry."{host}"] insecure = true in registries.toml'
        reason = f"{host}: no TLS ({error.reason or error})"
        return RegistryError(reason, code="TLS", temporary=isinstance(error, _GONE), remedy=remedy)
    if isinstance(error, TimeoutError):
        return RegistryError(f"{host}: no answer in time", code="TIMEOUT", temporary=True)
    if isinstance(error, socket.gaierror) or not isinstance(error, OSError):
        unknown = not isinstance(error, socket.gaierror) or error.errno in _UNKNOWN_NAMES
        code, reason = "UNKNOWNHOST", getattr(error, "strerror", None) or "no name of a host"
    else:
        unknown, code, reason = False, "UNREACHABLE", error.strerror or str(error)
    through = f" through the proxy {proxy.host}:{proxy.port}" if proxy else ""
    return RegistryError(
        f"cannot reach {host}{through}: {reason}",
        code="PROXY" if proxy else code,
        temporary=not unknown and bool(error.errno if isinstance(error, OSError) else False),
        remedy="check the name, the network and the proxies (HTTPS_PROXY, NO_PROXY)",
    )


def _broken(url: str, error: BaseException) -> RegistryError:
    """What it means that a line that was there broke."""
    host = _shown_host(urllib.parse.urlsplit(url))
    if isinstance(error, TimeoutError):
        return RegistryError(f"{host}: no answer in time", code="TIMEOUT", temporary=True)
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
    if isinstance(error, ssl.SSLError) and "ALERT" in str(error.reason):
        # TLS 1.3 says only now that it does not want us.
        remedy = f"put a client certificate into {certificates.FOLDERS[0]}/{host}: NAME.cert, NAME.key"
        return RegistryError(f"{host}: no TLS ({reason})", code="TLS", temporary=False, remedy=remedy)
    return RegistryError(
        f"{host}: the connection broke ({reason or type(error).__name__})", code="BROKEN", temporary=True
    )
