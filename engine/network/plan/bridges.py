"""Owns the plan of a bridge and of its table, and of the guard between a host's own interfaces; pure."""

from __future__ import annotations

from engine.network.addresses import broadcast_address, prefix_length_of
from engine.network.plan.naming import GUARD_TABLE, bridge_table, mac_from_address
from engine.network.plan.operations import (
    Accept,
    AddAddress,
    AddBridge,
    AddChain,
    AddressMatch,
    AddRule,
    AddTable,
    Drop,
    Established,
    InterfaceMatch,
    Masquerade,
    Operation,
    Operations,
    Published,
)

_RAW, _FILTER, _SRCNAT = -300, 0, 100
_LOOPBACK = "127.0.0.0/8"


def bridge_link_plan(bridge: str, subnet: str, gateway: str, mtu: int) -> Operations:
    """The bridge interface with the gateway's address."""
    return (
        AddBridge(bridge, mac_from_address(gateway), mtu),
        AddAddress(bridge, gateway, broadcast_address(subnet), prefix_length_of(subnet)),
    )


def bridge_table_plan(bridge: str, subnet: str, *, internal: bool = False) -> Operations:
    """The bridge's table: loopback guard, forwarding between the bridge and the world, masquerade."""
    table = bridge_table(bridge)
    entering, leaving = InterfaceMatch("iif", bridge), InterfaceMatch("oif", bridge)
    from_elsewhere = InterfaceMatch("iif", bridge, negate=True)
    to_elsewhere = InterfaceMatch("oif", bridge, negate=True)
    operations: list[Operation] = [
        AddTable(table),
        AddChain(table, "prerouting", "filter", _RAW),
        AddRule(table, "prerouting", (entering, _address("daddr", _LOOPBACK)), Drop()),
        AddRule(table, "prerouting", (entering, _address("saddr", _LOOPBACK)), Drop()),
        AddChain(table, "forward", "filter", _FILTER),
    ]
    if internal:
        operations.append(AddRule(table, "forward", (entering, to_elsewhere), Drop()))
    else:
        operations += [
            AddRule(table, "forward", (leaving, Established()), Accept()),
            AddRule(table, "forward", (leaving, Published()), Accept()),
        ]
    operations += [
        AddRule(table, "forward", (leaving, from_elsewhere), Drop()),
        AddChain(table, "postrouting", "nat", _SRCNAT),
        AddRule(table, "postrouting", (leaving, Published(), _address("saddr", _LOOPBACK)), Masquerade()),
        AddRule(table, "postrouting", (leaving, Published(), _address("saddr", subnet)), Masquerade()),
    ]
    if not internal:
        operations.append(
            AddRule(table, "postrouting", (to_elsewhere, _address("saddr", subnet)), Masquerade())
        )
    return tuple(operations)


def guard_plan(interfaces: tuple[str, ...]) -> Operations:
    """Nothing is forwarded from one of ``interfaces`` to another, or back out of the same one."""
    from_others = tuple(InterfaceMatch("iif", name, negate=True) for name in interfaces)
    to_others = tuple(InterfaceMatch("oif", name, negate=True) for name in interfaces)
    return (
        AddTable(GUARD_TABLE),
        AddChain(GUARD_TABLE, "forward", "filter", _FILTER),
        AddRule(GUARD_TABLE, "forward", from_others, Accept()),
        AddRule(GUARD_TABLE, "forward", to_others, Accept()),
        AddRule(GUARD_TABLE, "forward", (), Drop()),
    )


def _address(side: str, cidr: str) -> AddressMatch:
    address, _, length = cidr.partition("/")
    return AddressMatch(side, address, int(length))
