"""Owns the plan of what others may send to a container whose network is routed (Docker's gateway mode); pure.

Such a network's bridge lets everything through, and each container's own table says what comes to it from
other interfaces: answers, pings, and its published ports at its own address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.network.plan.operations import (
    Accept,
    AddChain,
    AddressMatch,
    AddRule,
    AddTable,
    Drop,
    Established,
    InterfaceMatch,
    Match,
    Operation,
    Operations,
    PortMatch,
    ProtocolMatch,
    Published,
)

if TYPE_CHECKING:
    from engine.records import PortBinding

_FILTER = 0
_ICMP = {"ip": "icmp", "ip6": "icmpv6"}


class RoutedEnd(msgspec.Struct, frozen=True):
    """A container's address on the bridge of a routed network; ``trusted`` interfaces reach all of it."""

    bridge: str
    address: str
    trusted: tuple[str, ...] = ()


def routed_plan(table: str, ends: tuple[RoutedEnd, ...], ports: tuple[PortBinding, ...]) -> Operations:
    """The container's tables, one a family that it has routed ``ends`` of."""
    opened = sorted({(port.protocol, port.container_port) for port in ports})
    operations: list[Operation] = []
    for family, ping in _ICMP.items():
        mine = [end for end in ends if (":" in end.address) == (family == "ip6")]
        if not mine:
            continue
        operations += [AddTable(table, family), AddChain(table, "forward", "filter", _FILTER, family)]
        for end in mine:
            here = AddressMatch("daddr", end.address, 128 if ":" in end.address else 32)
            ways: list[tuple[Match, ...]] = [
                (Established(),),
                (Published(),),
                (ProtocolMatch(ping),),
                *((InterfaceMatch("iif", name),) for name in end.trusted),
                *((ProtocolMatch(protocol), PortMatch(port)) for protocol, port in opened),
            ]
            operations += [AddRule(table, "forward", (here, *way), Accept(), family) for way in ways]
            elsewhere = InterfaceMatch("iif", end.bridge, negate=True)
            operations.append(AddRule(table, "forward", (here, elsewhere), Drop(), family))
    return tuple(operations)
