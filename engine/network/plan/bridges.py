"""Owns the plan of a bridge and of its tables, and of the guard between a host's own interfaces; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.network.addresses import broadcast_address, prefix_length_of
from engine.network.driver_options import BridgeOptions, bridge_options
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
    Match,
    Operation,
    Operations,
    Published,
    SetSysctl,
    SourceNat,
    Verdict,
)

if TYPE_CHECKING:
    from engine.records import Network

_RAW, _FILTER, _SRCNAT = -300, 0, 100
_LOOPBACK = "127.0.0.0/8"


def bridge_link_plan(network: Network, mtu: int) -> Operations:
    """The bridge interface with the gateways' addresses."""
    name, options = network.bridge, bridge_options(network.options, internal=network.internal)
    return (
        AddBridge(name, mac_from_address(network.gateway or network.gateway6), options.mtu or mtu),
        # Before the address: the host's default may be that interfaces have no IPv6.
        SetSysctl(f"net/ipv6/conf/{name}/disable_ipv6", "0" if network.subnet6 else "1"),
        *bridge_addresses(network),
    )


def bridge_addresses(network: Network) -> tuple[AddAddress, ...]:
    """What the bridge has of the gateways' addresses."""
    name, options = network.bridge, bridge_options(network.options, internal=network.internal)
    operations: list[AddAddress] = []
    if network.subnet and options.gateway_mode != "isolated" and not options.inhibit_ipv4:
        broadcast, length = broadcast_address(network.subnet), prefix_length_of(network.subnet)
        operations.append(AddAddress(name, network.gateway, broadcast, length))
    if network.subnet6 and options.gateway_mode6 != "isolated":
        operations.append(AddAddress(name, network.gateway6, "", prefix_length_of(network.subnet6)))
    return tuple(operations)


def bridge_tables_plan(network: Network) -> Operations:
    """The bridge's tables, one a family: loopback guard, forwarding to and from the world, masquerade."""
    options = bridge_options(network.options, internal=network.internal)
    families = (
        _Family("ip", network.subnet, options.gateway_mode, options.source),
        _Family("ip6", network.subnet6, options.gateway_mode6, options.source6),
    )
    return tuple(
        operation for family in families if family.subnet for operation in _table(network, options, family)
    )


def table_families(network: Network) -> tuple[str, ...]:
    """Of which families the bridge has a table."""
    return (*(("ip",) if network.subnet else ()), *(("ip6",) if network.subnet6 else ()))


def guard_plan(interfaces: tuple[str, ...], family: str = "ip") -> Operations:
    """Nothing is forwarded from one of ``interfaces`` to another, or back out of the same one."""
    from_others = tuple(InterfaceMatch("iif", name, negate=True) for name in interfaces)
    to_others = tuple(InterfaceMatch("oif", name, negate=True) for name in interfaces)
    return (
        AddTable(GUARD_TABLE, family),
        AddChain(GUARD_TABLE, "forward", "filter", _FILTER, family),
        AddRule(GUARD_TABLE, "forward", from_others, Accept(), family),
        AddRule(GUARD_TABLE, "forward", to_others, Accept(), family),
        AddRule(GUARD_TABLE, "forward", (), Drop(), family),
    )


class _Family(msgspec.Struct, frozen=True):
    """One family's part of a bridge: the nftables name, the subnet, how containers meet the world, SNAT."""

    name: str
    subnet: str
    gateway_mode: str
    source: str


def _table(network: Network, options: BridgeOptions, family: _Family) -> Operations:
    bridge, table = network.bridge, bridge_table(network.bridge)
    operations: list[Operation] = [AddTable(table, family.name)]

    def chain(name: str, kind: str, priority: int) -> None:
        operations.append(AddChain(table, name, kind, priority, family.name))

    def rule(name: str, matches: tuple[Match, ...], verdict: Verdict) -> None:
        operations.append(AddRule(table, name, matches, verdict, family.name))

    leaving, to_elsewhere = InterfaceMatch("oif", bridge), InterfaceMatch("oif", bridge, negate=True)
    if family.name == "ip":  # the kernel itself refuses ::1 on the wire
        chain("prerouting", "filter", _RAW)
        entering = InterfaceMatch("iif", bridge)
        rule("prerouting", (entering, _address("daddr", _LOOPBACK)), Drop())
        rule("prerouting", (entering, _address("saddr", _LOOPBACK)), Drop())
    chain("forward", "filter", _FILTER)
    for matches, verdict in _forwarded(network, options, family):
        rule("forward", matches, verdict)
    chain("postrouting", "nat", _SRCNAT)
    if family.name == "ip":
        rule("postrouting", (leaving, Published(), _address("saddr", _LOOPBACK)), Masquerade())
    own = _address("saddr", family.subnet)
    rule("postrouting", (leaving, Published(), own), Masquerade())
    translated = family.gateway_mode in {"nat", "nat-unprotected"} and options.masquerade
    if translated and not network.internal:
        rule("postrouting", (to_elsewhere, own), SourceNat(family.source) if family.source else Masquerade())
    return tuple(operations)


def _forwarded(
    network: Network, options: BridgeOptions, family: _Family
) -> list[tuple[tuple[Match, ...], Verdict]]:
    bridge = network.bridge
    entering, leaving = InterfaceMatch("iif", bridge), InterfaceMatch("oif", bridge)
    from_elsewhere = InterfaceMatch("iif", bridge, negate=True)
    to_elsewhere = InterfaceMatch("oif", bridge, negate=True)
    # Two containers' frames come here only by way of the gateway, or through bridge netfilter.
    apart: list[tuple[tuple[Match, ...], Verdict]] = [] if options.icc else [((entering, leaving), Drop())]
    if network.internal:
        return [((entering, to_elsewhere), Drop()), ((leaving, from_elsewhere), Drop()), *apart]
    rules: list[tuple[tuple[Match, ...], Verdict]] = [
        ((leaving, Established()), Accept()),
        ((leaving, Published()), Accept()),
    ]
    rules += [((leaving, InterfaceMatch("iif", name)), Accept()) for name in options.trusted]
    # Of a routed network each container's own table says who reaches it.
    if family.gateway_mode not in {"nat-unprotected", "routed"}:
        rules.append(((leaving, from_elsewhere), Drop()))
    return rules + apart


def _address(side: str, cidr: str) -> AddressMatch:
    address, _, length = cidr.partition("/")
    return AddressMatch(side, address, int(length))
