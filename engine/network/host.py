"""Owns what the host's own network is like: routes, name servers' place, MTU, names; refuses to change it."""

from __future__ import annotations

import socket

_FIB_TRIE = "/proc/net/fib_trie"
_ROUTES = "/proc/net/route"
_ROUTES6 = "/proc/net/ipv6_route"
_ETHERNET_MTU = 1500
_INTERFACE6 = 9
_NOT_UNICAST6 = ("ff", "fe80", "00000000000000000000000000000001")


def routes(*, connected: bool = False) -> tuple[str, ...]:
    """Every destination that the host has a route to, in any table; only those ``connected`` on demand."""
    return (
        *routes_from_trie(read_text(_FIB_TRIE), connected=connected),
        *routes_from_table(read_text(_ROUTES6), connected=connected),
    )


def routes_from_trie(text: str, *, connected: bool = False) -> tuple[str, ...]:
    """The destinations in ``/proc/net/fib_trie`` (all tables), without defaults, loopback and multicast.

    A leaf is a line ``|-- 192.0.2.0``, followed by one line a prefix length: ``/24 link UNICAST``; where the
    scope is universe, a gateway comes first.
    """
    found: dict[str, None] = {}
    leaf = ""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            leaf = words[1]
        elif words and words[0].startswith("/") and leaf:
            if words[0] == "/0" or leaf.startswith(("127.", "224.")):
                continue
            if not connected or words[1] != "universe":
                found[leaf + words[0]] = None
    return tuple(found)


def routes_from_table(text: str, *, connected: bool = False) -> tuple[str, ...]:
    """The destinations in ``/proc/net/ipv6_route`` (all tables), without defaults, link-local and multicast.

    A line is: destination, its length, source, its length, gateway, metric, …: hexadecimal, no colons.
    """
    found: dict[str, None] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 5 or words[1] == "00" or words[0].startswith(_NOT_UNICAST6):  # noqa: PLR2004
            continue
        if not connected or not words[4].strip("0"):
            address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0]))
            found[f"{address}/{int(words[1], 16)}"] = None
    return tuple(found)


def uplinks() -> tuple[str, ...]:
    """The interfaces with a default route, of either family."""
    found: dict[str, None] = {}
    for line in read_text(_ROUTES).splitlines()[1:]:
        words = line.split()
        if words[1:2] == ["00000000"] and words[7:8] == ["00000000"]:
            found[words[0]] = None
    for line in read_text(_ROUTES6).splitlines():
        words = line.split()
        if len(words) > _INTERFACE6 and not words[0].strip("0") and words[1] == "00":
            found[words[_INTERFACE6]] = None
    found.pop("lo", None)
    return tuple(found)


def uplink_mtu() -> int:
    """The MTU of the interface with the default route (a VPN's or a cloud's may be below Ethernet's)."""
    for interface in uplinks():
        return _mtu(interface)
    return _ETHERNET_MTU


def has_interface(name: str) -> bool:
    """Whether the host has an interface of this name."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def read_text(path: str) -> str:
    """The text of a file of the host; empty if there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _mtu(interface: str) -> int:
    text = read_text(f"/sys/class/net/{interface}/mtu").strip()
    return int(text) if text.isdigit() else _ETHERNET_MTU
