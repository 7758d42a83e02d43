"""Owns which subnet a network gets and which address an endpoint; refuses the database and netlink.

Pools are Docker's defaults. A subnet is taken only if it overlaps no route of the host (in any table, so
that policy routing of a VPN counts), no name server of the host, and no other network of ours.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from engine.errors import InvalidInput, NetworkFailure

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Iterable, Iterator

_POOLS = (
    ("172.17.0.0/16", 16),
    ("172.18.0.0/16", 16),
    ("172.19.0.0/16", 16),
    ("172.20.0.0/14", 16),
    ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16),
    ("192.168.0.0/16", 20),
)
_SHORTEST_ROUTE = 8
"""0.0.0.0/1 and the like are default routes in disguise (VPN clients set them): they exclude nothing."""


def choose_subnet(taken: Iterable[str]) -> str:
    """The first subnet of the default pools that overlaps none of ``taken`` (CIDR or plain addresses)."""
    avoid = [network for network in map(_network, taken) if network.prefixlen >= _SHORTEST_ROUTE]
    for candidate in _candidates():
        if not any(candidate.overlaps(network) for network in avoid):
            return str(candidate)
    raise NetworkFailure(
        "choose a subnet",
        "every default address pool overlaps a route of this host or another network",
        remedy="remove unused networks, or name a free one: tuidock network create --subnet 10.123.0.0/24 …",
    )


def first_free(preferred: str, taken: Iterable[str]) -> str:
    """``preferred`` if it overlaps none of ``taken``, else what ``choose_subnet`` says."""
    known = tuple(taken)
    mine = _network(preferred)
    if any(mine.overlaps(other) for other in map(_network, known) if other.prefixlen >= _SHORTEST_ROUTE):
        return choose_subnet(known)
    return preferred


def check_subnet(subnet: str, gateway: str | None, taken: Iterable[str]) -> tuple[str, str]:
    """A subnet and a gateway that the caller asked for, normalised; the first host is the default gateway."""
    import ipaddress

    try:
        network = ipaddress.IPv4Network(subnet)
        chosen = ipaddress.IPv4Address(gateway) if gateway else network.network_address + 1
    except ValueError as error:
        raise InvalidInput("subnet", str(error), remedy="write it like 10.123.0.0/24") from error
    if network.num_addresses < 4:  # noqa: PLR2004 - network, gateway, one container, broadcast
        raise InvalidInput("subnet", f"{subnet} has no room for a container", remedy="use /30 or larger")
    if chosen not in network or chosen in {network.network_address, network.broadcast_address}:
        raise InvalidInput("gateway", f"{chosen} is no host address of {subnet}")
    for other in map(_network, taken):
        if other.prefixlen >= _SHORTEST_ROUTE and network.overlaps(other):
            raise NetworkFailure(
                f"use subnet {subnet}",
                f"it overlaps {other}, which this host or another network has",
                remedy="see `ip route` and `tuidock network ls`, and choose another --subnet",
            )
    return str(network), str(chosen)


def default_gateway(subnet: str) -> str:
    """The first host address."""
    first, _ = _hosts(subnet)
    return _to_text(first)


def prefix_length_of(subnet: str) -> int:
    """The bits of the network part."""
    return int(subnet.partition("/")[2])


def next_address(subnet: str, taken: set[str]) -> str:
    """The lowest host address of ``subnet`` that is not in ``taken`` (which holds the gateway)."""
    used = set(map(_to_number, taken))
    first, last = _hosts(subnet)
    for number in range(first, last + 1):
        if number not in used:
            return _to_text(number)
    raise NetworkFailure(
        f"lease an address of {subnet}",
        "all are in use",
        remedy="remove stopped containers, or make a larger network",
    )


def broadcast_address(subnet: str) -> str:
    """The last address of the subnet, whose first is the text before the slash."""
    _, last = _hosts(subnet)
    return _to_text(last + 1)


def routes_from_trie(text: str) -> tuple[str, ...]:
    """The destinations in ``/proc/net/fib_trie`` (all tables), without defaults, loopback and multicast.

    A leaf is a line ``|-- 192.0.2.0``, followed by one line a prefix length: ``/24 link UNICAST``.
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
            found[leaf + words[0]] = None
    return tuple(found)


def _candidates() -> Iterator[ipaddress.IPv4Network]:
    for pool, size in _POOLS:
        yield from _network(pool).subnets(new_prefix=size)


def _network(text: str) -> ipaddress.IPv4Network:
    import ipaddress  # not on the way of a container's start: only who chooses a subnet needs it

    return ipaddress.IPv4Network(text, strict=False)


def _hosts(subnet: str) -> tuple[int, int]:
    """The first and the last host address, as numbers."""
    address, _, length = subnet.partition("/")
    first = _to_number(address)
    return first + 1, first + (1 << (32 - int(length))) - 2


def _to_number(address: str) -> int:
    return int(struct.unpack(">I", socket.inet_aton(address))[0])


def _to_text(number: int) -> str:
    return socket.inet_ntoa(struct.pack(">I", number))
