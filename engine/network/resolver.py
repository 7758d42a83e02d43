"""Owns the contents of a container's /etc/hosts and /etc/resolv.conf; refuses to read or write them.

As Docker does: name servers on the host's loopback cannot be reached from a network namespace, so they are
left out; a host with only those runs a stub (systemd-resolved) whose upstream servers are used instead.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

RESOLV_CONF = "/etc/resolv.conf"
UPSTREAM_RESOLV_CONF = "/run/systemd/resolve/resolv.conf"
HOST_GATEWAY = "host-gateway"
_PUBLIC = ("8.8.8.8", "8.8.4.4")
_STANDARD_HOSTS = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "ff00::\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
)


def hosts_text(hostname: str, address: str, extra_hosts: Iterable[str] = (), gateway: str = "") -> str:
    """/etc/hosts: Docker's standard names, ``extra_hosts`` (NAME:ADDRESS), then the container's own.

    ``host-gateway`` as an address stands for ``gateway``; without one it is refused.
    """
    lines = [*_STANDARD_HOSTS, *(_extra_line(extra, gateway) for extra in extra_hosts)]
    if address:
        short = hostname.partition(".")[0]
        lines.append(f"{address}\t{hostname} {short}" if short != hostname else f"{address}\t{hostname}")
    return "\n".join(lines) + "\n"


def host_hosts_text(host: str, extra_hosts: Iterable[str] = ()) -> str:
    """/etc/hosts in the host's network namespace: the host's own, then ``extra_hosts``."""
    lines = [_extra_line(extra, "127.0.0.1") for extra in extra_hosts]
    return "\n".join([host.rstrip("\n"), *lines]) + "\n"


def resolv_conf_text(host: str, upstream: str, dns: tuple[str, ...] = (), *, loopback: bool = False) -> str:
    """/etc/resolv.conf made of the ``host``'s text; ``upstream`` is systemd-resolved's own (or empty).

    ``dns`` replaces the servers; search domains and options stay the host's. ``loopback`` says that
    the host's loopback can be reached: then the host's text is right as it is.
    """
    if loopback and not dns:
        return host
    servers = tuple(map(_checked_server, dns)) or _reachable(host)
    if not servers and upstream:
        host = upstream
        servers = _reachable(upstream)
    kept = [
        line
        for line in map(str.strip, host.splitlines())
        if _keyword(line) in {"search", "domain", "options"}
    ]
    return "\n".join([*(f"nameserver {server}" for server in servers or _PUBLIC), *kept]) + "\n"


def name_servers(text: str) -> tuple[str, ...]:
    """The IPv4 name servers of a resolv.conf, loopback included."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            try:
                socket.inet_pton(socket.AF_INET, words[1])
            except OSError:
                continue  # IPv6: a bridge of ours has none yet
            found.append(words[1])
    return tuple(found)


def _reachable(text: str) -> tuple[str, ...]:
    return tuple(server for server in name_servers(text) if not server.startswith(("127.", "0.")))


def _keyword(line: str) -> str:
    return line.split(None, 1)[0] if line else ""


def _checked_server(server: str) -> str:
    if not _is_address(server):
        raise InvalidInput("dns", f"{server} is not an ip address", remedy="write it like --dns 9.9.9.9")
    return server


def _extra_line(extra: str, gateway: str) -> str:
    # Docker takes both NAME:ADDRESS and NAME=ADDRESS; an IPv6 address has colons of its own.
    name, _, address = extra.partition("=") if "=" in extra else extra.partition(":")
    address = gateway if address == HOST_GATEWAY else address.strip("[]")
    if not (name and _is_address(address)):
        raise InvalidInput(
            "add-host", f"bad format or address: {extra!r}", remedy="write it like --add-host db:10.0.0.5"
        )
    return f"{address}\t{name}"


def _is_address(text: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except OSError:
            continue
        return True
    return False
