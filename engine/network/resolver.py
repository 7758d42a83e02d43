"""Owns the contents of a container's /etc/hosts and /etc/resolv.conf; refuses to read or write them.

As Docker does. In a network with names, and for one of its networks in several, the one server is 127.0.0.11
(``engine.shim.resolver``), which asks the host's. Elsewhere the host's servers are the container's; those on
the host's loopback cannot be reached from a network namespace, so they are left out. A host with only those
runs a stub: of systemd-resolved the upstream servers are used instead, any other is asked by 127.0.0.11.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import msgspec

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

RESOLV_CONF = "/etc/resolv.conf"
UPSTREAM_RESOLV_CONF = "/run/systemd/resolve/resolv.conf"
HOST_GATEWAY = "host-gateway"
RESOLVER = "127.0.0.11"
_PUBLIC = ("8.8.8.8", "8.8.4.4")
_LONGEST_DOMAIN = 253
_STANDARD_HOSTS = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::\tip6-localnet",
    "ff00::\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
)


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """``--dns``, ``--dns-search`` (``.``: none) and ``--dns-option``; () is the host's."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


# -- /etc/hosts ------------------------------------------------------------------------------------
def hosts_text(
    hostname: str, addresses: Iterable[str], extra_hosts: Iterable[str] = (), gateways: Iterable[str] = ()
) -> str:
    """/etc/hosts: Docker's standard names, ``extra_hosts`` (NAME:ADDRESS), then the container's own.

    ``host-gateway`` as an address stands for each of ``gateways``; without any it is refused.
    """
    extra = _extra_lines(extra_hosts, tuple(gateways))
    return "\n".join([*_STANDARD_HOSTS, *extra, *own_lines(hostname, addresses)]) + "\n"


def host_hosts_text(host: str, extra_hosts: Iterable[str] = ()) -> str:
    """/etc/hosts in the host's network namespace: the host's own, then ``extra_hosts``."""
    return "\n".join([host.rstrip("\n"), *_extra_lines(extra_hosts, ("127.0.0.1",))]) + "\n"


def own_lines(hostname: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """The lines of /etc/hosts that are about the container itself: one for each address."""
    short = hostname.partition(".")[0]
    names = f"{hostname} {short}" if short != hostname else hostname
    return tuple(f"{address}\t{names}" for address in addresses if address)


# -- /etc/resolv.conf ------------------------------------------------------------------------------
def named_resolv_conf(host: str, wishes: Wishes) -> str:
    """Of a container that has its own resolver; ``host`` is the host's text.

    ``ndots:0``, unless somebody wants it otherwise: a name without a dot is a container's.
    """
    for server in wishes.servers:
        _check_server(server)
    options = wishes.options or _words(host, "options")
    if not any(option.partition(":")[0] == "ndots" for option in options):
        options = (*options, "ndots:0")
    return _resolv_conf((RESOLVER,), _search(host, wishes), options)


def bridge_resolv_conf(host: str, upstream: str, wishes: Wishes, *, ipv6: bool = False) -> str:
    """In a namespace without names: ``upstream`` is systemd-resolved's own text (or empty).

    ``ipv6`` says whether servers with such addresses can be asked. The one server is 127.0.0.11 if the
    host's can only be asked from the host's namespace.
    """
    for server in wishes.servers:
        _check_server(server)
    servers = wishes.servers or _reachable(host, ipv6=ipv6)
    if not servers and upstream:
        host = upstream
        servers = _reachable(upstream, ipv6=ipv6)
    if not servers:
        servers = (RESOLVER,) if any(map(_is_loopback, _servers(host))) else _PUBLIC
    return _resolv_conf(servers, _search(host, wishes), wishes.options or _words(host, "options"))


def host_resolv_conf(host: str, wishes: Wishes) -> str:
    """In the host's network namespace: its own text, as far as nothing else is wanted."""
    if wishes == Wishes():
        return host
    for server in wishes.servers:
        _check_server(server)
    servers = wishes.servers or _servers(host)
    return _resolv_conf(servers, _search(host, wishes), wishes.options or _words(host, "options"))


def asks_resolver(resolv_conf: str) -> bool:
    """Whether the server that ``resolv_conf`` names is the container's own resolver."""
    return _servers(resolv_conf) == (RESOLVER,)


def name_servers(text: str) -> tuple[str, ...]:
    """The IPv4 name servers of a resolv.conf, loopback included."""
    return tuple(server for server in _servers(text) if ":" not in server)


def _resolv_conf(servers: Iterable[str], search: tuple[str, ...], options: tuple[str, ...]) -> str:
    lines = [f"nameserver {server}" for server in servers]
    if search:
        lines.append(f"search {' '.join(search)}")
    if options:
        lines.append(f"options {' '.join(options)}")
    return "\n".join(lines) + "\n"


def _search(host: str, wishes: Wishes) -> tuple[str, ...]:
    for domain in wishes.search:
        if not domain or len(domain) > _LONGEST_DOMAIN or any(map(str.isspace, domain)):
            remedy = "write it like --dns-search example.org, or . for none"
            raise InvalidInput("dns-search", f"{domain} is not a valid domain", remedy=remedy)
    wanted = wishes.search or _words(host, "search", "domain")
    return () if "." in wishes.search else tuple(domain for domain in wanted if domain != ".")


def _words(text: str, *keywords: str) -> tuple[str, ...]:
    """What follows the last of ``keywords``: resolv.conf(5) lets that one count; of options each does."""
    found: tuple[str, ...] = ()
    for line in text.splitlines():
        words = tuple(line.split())
        if words and words[0] in keywords:
            found = (*found, *words[1:]) if words[0] == "options" else words[1:]
    return found


def _servers(text: str) -> tuple[str, ...]:
    words = (line.split() for line in text.splitlines())
    named = (word[1] for word in words if len(word) > 1 and word[0] == "nameserver")
    return tuple(server for server in named if _is_address(server.partition("%")[0]))


def _reachable(text: str, *, ipv6: bool) -> tuple[str, ...]:
    # One with a scope (fe80::1%eth0) is behind an interface of the host's.
    return tuple(
        server
        for server in _servers(text)
        if not _is_loopback(server) and (":" not in server or (ipv6 and "%" not in server))
    )


def _is_loopback(server: str) -> bool:
    return server.startswith(("127.", "0.")) or server in {"::1", "::"}


def _check_server(server: str) -> None:
    if not _is_address(server):
        raise InvalidInput("dns", f"{server} is not an ip address", remedy="write it like --dns 9.9.9.9")


def _extra_lines(extra_hosts: Iterable[str], gateways: tuple[str, ...]) -> list[str]:
    lines = []
    for extra in extra_hosts:
        # Docker takes both NAME:ADDRESS and NAME=ADDRESS; an IPv6 address has colons of its own.
        name, _, address = extra.partition("=") if "=" in extra else extra.partition(":")
        addresses = gateways if address == HOST_GATEWAY else (address.strip("[]"),)
        if not (name and addresses and all(map(_is_address, addresses))):
            raise InvalidInput(
                "add-host",
                f"bad format or address: {extra!r}",
                remedy="write it like --add-host db:10.0.0.5",
            )
        lines += [f"{address}\t{name}" for address in addresses]
    return lines


def _is_address(text: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False
