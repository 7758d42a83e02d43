"""Owns through which proxy a host is reached, by the environment; pure; refuses what is no HTTP proxy."""

from __future__ import annotations

import ipaddress
import urllib.parse
from typing import TYPE_CHECKING

import msgspec

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORT = 80


class Proxy(msgspec.Struct, frozen=True):
    """Where it is; ``authorization`` is the value of Proxy-Authorization, "" if it asks nobody."""

    host: str
    port: int
    authorization: str = ""

    def __repr__(self) -> str:
        """Without the secret."""
        return f"Proxy({self.host!r}, {self.port})"

    @property
    def headers(self) -> dict[str, str]:
        """What it is told with each request or tunnel."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_of(environ: Mapping[str, str], scheme: str, host: str, port: int) -> Proxy | None:
    """The proxy of ``scheme`` for a host; None if it is reached directly. InvalidInput names the variable."""
    for name in (scheme, "all"):
        address = _variable(environ, f"{name}_proxy")
        if not address:
            continue
        if _is_direct(host, port, _variable(environ, "no_proxy")):
            return None
        return _parsed(f"{name}_proxy", address)
    return None


def _variable(environ: Mapping[str, str], name: str) -> str:
    """As curl reads them: small letters win."""
    return environ.get(name) or environ.get(name.upper()) or ""


def _parsed(variable: str, address: str) -> Proxy:
    remedy = "write it like http://[name:password@]host:port"
    try:
        parts = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
        host, port = parts.hostname, parts.port or _PORT
    except ValueError:
        host, port, parts = None, 0, urllib.parse.urlsplit("")
    if parts.scheme not in {"http", ""} or not host:
        # Without the address: it may have a password in it.
        reason = f"a proxy that is spoken to as {parts.scheme!r}" if host else "no address of a proxy"
        raise InvalidInput(variable, reason, remedy=remedy)
    if not parts.username:
        return Proxy(host, port)
    import base64

    pair = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
    return Proxy(host, port, "Basic " + base64.b64encode(pair.encode()).decode())


def _is_direct(host: str, port: int, without: str) -> bool:
    """As Go's http: names and their subdomains, addresses, ranges, with a port or not; ``*`` is all."""
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    for entry in filter(None, map(str.strip, without.split(","))):
        name, colon, number = entry.rpartition(":")
        bare = entry
        if colon and number.isdigit() and (":" not in name or name.endswith("]")):
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
