"""Owns which address of its subnets an endpoint gets; refuses to choose subnets, the database and netlink.

Of both families: an address is text, computed with as a number. Nothing here imports ``ipaddress``: it is on
the way of every container's start.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from engine.errors import InvalidInput, NetworkFailure

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_IN_USE = "Address already in use"
"""Docker's words."""


def next_address(subnet: str, taken: Collection[str], ip_range: str = "") -> str:
    """The lowest host address of ``subnet`` that is not in ``taken`` (which holds the gateway).

    Only of ``ip_range`` if there is one. NetworkFailure if all are in use.
    """
    used = set(map(to_number, taken))
    first, last = _hosts(subnet)
    if ip_range:
        low, high = _bounds(ip_range)
        first, last = max(first, low), min(last, high)
    for number in range(first, last + 1):
        if number not in used:
            return to_text(number, subnet)
    raise NetworkFailure(
        f"lease an address of {ip_range or subnet}",
        "all are in use",
        remedy="remove stopped containers, or make a larger network",
    )


def wanted_address(address: str, subnet: str, taken: Mapping[str, str], *, configured: bool) -> str:
    """The address that the user asked for, as the kernel writes it; ``taken`` says who has which.

    InvalidInput if it is none, none of ``subnet``, or if nobody ``configured`` that; NetworkFailure if taken.
    """
    kind, family = ("IPv6", socket.AF_INET6) if ":" in address else ("IPv4", socket.AF_INET)
    try:
        wanted = socket.inet_ntop(family, socket.inet_pton(family, address))
    except OSError as error:
        raise InvalidInput("", f"invalid {kind} address: {address}", remedy="write it in full") from error
    if not subnet or not configured:
        raise no_own_subnet()
    first, last = _hosts(subnet)
    if not holds(subnet, wanted):
        reason = f"no configured subnet or ip-range contain the IP address {wanted}"
        raise InvalidInput("", reason, remedy=f"choose one of {subnet}")
    if not first <= to_number(wanted) <= last:
        raise InvalidInput("", f"{wanted} is no host address of {subnet}", remedy="choose another one")
    if wanted in taken:
        raise NetworkFailure(
            f"lease {wanted}", f"{_IN_USE}: {taken[wanted]} has it", remedy="choose another one"
        )
    return wanted


def no_own_subnet() -> InvalidInput:
    """An address is asked for where the subnet was not chosen by the user; in Docker's words."""
    reason = (
        "user specified IP address is supported only when connecting to networks with user configured subnets"
    )
    return InvalidInput("", reason, remedy="make the network with --subnet")


def holds(subnet: str, address: str) -> bool:
    """Whether ``address`` is of ``subnet``."""
    first, last = _bounds(subnet)
    return (":" in subnet) == (":" in address) and first <= to_number(address) <= last


def default_gateway(subnet: str) -> str:
    """The first host address."""
    return to_text(_hosts(subnet)[0], subnet)


def prefix_length_of(subnet: str) -> int:
    """The bits of the network part."""
    return int(subnet.partition("/")[2])


def broadcast_address(subnet: str) -> str:
    """The last address of the subnet, whose first is the text before the slash; IPv6 has none: ""."""
    return "" if ":" in subnet else to_text(_bounds(subnet)[1], subnet)


def to_number(address: str) -> int:
    """The address as a number."""
    return int.from_bytes(_packed(address), "big")


def to_text(number: int, like: str) -> str:
    """The number as an address of the family of ``like``."""
    family, size = (socket.AF_INET6, 16) if ":" in like else (socket.AF_INET, 4)
    return socket.inet_ntop(family, number.to_bytes(size, "big"))


def _bounds(subnet: str) -> tuple[int, int]:
    """The first and the last address, as numbers."""
    address, _, length = subnet.partition("/")
    packed = _packed(address)
    first = int.from_bytes(packed, "big")
    return first, first + (1 << 8 * len(packed) - int(length)) - 1


def _hosts(subnet: str) -> tuple[int, int]:
    """The first and the last address that an interface may have, as numbers."""
    first, last = _bounds(subnet)
    return first + 1, last if ":" in subnet else last - 1


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
