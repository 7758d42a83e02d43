"""Owns what a bridge and an endpoint are made of, as plain values; refuses netlink, sockets and disk.

A plan is a tuple of operations in the order in which the kernel must see them; a test compares it whole.
``engine.network.template`` turns operations into bytes. Packets take these ways (priorities are nft's):

- out: ``postrouting`` of the bridge's table masquerades the subnet when it leaves by another interface;
- in, through a published port: ``prerouting`` (from elsewhere) or ``output`` (from this host) of the
  container's own table changes the destination; the client's address is kept, except for a client on
  127.0.0.0/8 or on the same bridge, whose answers would not come back through the host;
- between the interfaces that a host had before it began to forward for a container: nowhere (the guard
  table ``tuidock-forward``), as before; what is added later is its owner's to allow;
- 127.0.0.0/8 on the wire from a bridge is dropped before anything else, because ``route_localnet``
  (needed for 127.0.0.1 as a client) would let a container reach what listens on the host's loopback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.network.addresses import broadcast_address, prefix_length_of

if TYPE_CHECKING:
    from engine.records import Endpoint, PortBinding

TABLE_PREFIX = "tuidock-"
GUARD_TABLE = TABLE_PREFIX + "forward"
CONTAINER_INTERFACE = "eth0"
_RAW, _DSTNAT, _FILTER, _SRCNAT = -300, -100, 0, 100
_LOOPBACK = "127.0.0.0/8"


class Value(msgspec.Struct, frozen=True, tag=True, tag_field="is"):
    """Base of everything in a plan: frozen, compared by content, told apart in JSON by ``is``."""


# -- what a rule looks at --------------------------------------------------------------------------
class InterfaceMatch(Value, frozen=True):
    """``direction`` is iif or oif."""

    direction: str
    name: str
    negate: bool = False


class AddressMatch(Value, frozen=True):
    """``side`` is saddr or daddr."""

    side: str
    address: str
    prefix_length: int = 32


class LocalDestination(Value, frozen=True):
    """The destination is an address of this host."""


class ProtocolMatch(Value, frozen=True):
    """tcp, udp or sctp."""

    protocol: str


class PortMatch(Value, frozen=True):
    """The destination port."""

    port: int


class Established(Value, frozen=True):
    """The packet belongs, or is related, to a known connection."""


class Published(Value, frozen=True):
    """The connection came through a published port (its destination was changed)."""


Match = InterfaceMatch | AddressMatch | LocalDestination | ProtocolMatch | PortMatch | Established | Published


# -- what a rule does ------------------------------------------------------------------------------
class Accept(Value, frozen=True):
    """This table has nothing against the packet."""


class Drop(Value, frozen=True):
    """The packet is gone."""


class Masquerade(Value, frozen=True):
    """The source becomes the address of the interface that the packet leaves by."""


class DestinationNat(Value, frozen=True):
    """The destination becomes ``address:port``."""

    address: str
    port: int


Verdict = Accept | Drop | Masquerade | DestinationNat


# -- operations ------------------------------------------------------------------------------------
class AddBridge(Value, frozen=True):
    """A bridge, up, with a fixed MAC: a borrowed one would change with every port that comes and goes."""

    name: str
    mac: str
    mtu: int


class AddVeth(Value, frozen=True):
    """A veth pair: ``name`` is a port of ``bridge`` and up, the peer is born in the container.

    The container's namespace is the descriptor ``engine.shim.wire.NETNS_FD`` of whoever sends.
    """

    name: str
    bridge: str
    mac: str
    mtu: int
    peer: str = CONTAINER_INTERFACE


class SetHairpin(Value, frozen=True):
    """Frames may leave by the port they came from.

    With bridge netfilter on, a container that calls itself through its host port is sent straight back.
    """

    name: str


class Unplug(Value, frozen=True):
    """A bridge port is taken down and out of its bridge; one that is gone is fine.

    The kernel removes a veth in the background when the container's namespace goes. To delete it would
    make the end of every container wait for two grace periods (15 to 50 ms, this takes 0.5). It matters
    where another container has joined the namespace: that one loses the address, which is free now.
    """

    name: str


class DeleteLink(Value, frozen=True):
    """An interface goes (a veth takes its peer along); one that is gone is fine."""

    name: str


class SetUp(Value, frozen=True):
    """An interface is brought up."""

    name: str


class AddAddress(Value, frozen=True):
    """An address with its broadcast address."""

    interface: str
    address: str
    broadcast: str
    prefix_length: int


class AddDefaultRoute(Value, frozen=True):
    """The default route."""

    gateway: str


class AddTable(Value, frozen=True):
    """An nftables table of family ip."""

    name: str


class DeleteTable(Value, frozen=True):
    """A table goes with all its chains and rules; one that is gone is fine."""

    name: str


class FindTable(Value, frozen=True):
    """Nothing is changed; the kernel refuses (ENOENT) if there is no such table."""

    name: str


class AddChain(Value, frozen=True):
    """A base chain; ``type`` is filter or nat."""

    table: str
    name: str
    type: str
    priority: int


class AddRule(Value, frozen=True):
    """A rule at the end of its chain."""

    table: str
    chain: str
    matches: tuple[Match, ...]
    verdict: Verdict


Operation = (
    AddBridge
    | AddVeth
    | SetHairpin
    | Unplug
    | DeleteLink
    | SetUp
    | AddAddress
    | AddDefaultRoute
    | AddTable
    | DeleteTable
    | FindTable
    | AddChain
    | AddRule
)
Operations = tuple[Operation, ...]


class EndpointPlan(Value, frozen=True):
    """Operations for the host's namespace, for the container's, and for the end."""

    host: Operations = ()
    container: Operations = ()
    teardown: Operations = ()


# -- plans -----------------------------------------------------------------------------------------
def mac_from_address(address: str) -> str:
    """Docker's MAC for an IPv4 address: 02:42 and the address's four bytes."""
    return "02:42:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def bridge_table(bridge: str) -> str:
    """The name of a bridge's own table."""
    return TABLE_PREFIX + bridge


def container_table(owner_id: str) -> str:
    """The name of a container's own table; always of the same length, so that a template fits."""
    return TABLE_PREFIX + owner_id[:12]


def veth_name(owner_id: str) -> str:
    """The host's end of the pair: as Docker's, and of the kernel's full 15 characters."""
    return "veth" + owner_id[:11]


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


def endpoint_plan(
    owner_id: str, bridge: str, subnet: str, endpoint: Endpoint, ports: tuple[PortBinding, ...], mtu: int
) -> EndpointPlan:
    """One container's end in a bridge network; every host port is final."""
    veth, table = veth_name(owner_id), container_table(owner_id)
    container = (
        SetUp("lo"),
        AddAddress(CONTAINER_INTERFACE, endpoint.address, broadcast_address(subnet), endpoint.prefix_length),
        SetUp(CONTAINER_INTERFACE),
        *((AddDefaultRoute(endpoint.gateway),) if endpoint.gateway else ()),
    )
    return EndpointPlan(
        host=(
            AddVeth(veth, bridge, endpoint.mac_address, mtu),
            SetHairpin(veth),
            *(_published(table, endpoint.address, ports) if ports else ()),
        ),
        container=container,
        teardown=(*((DeleteTable(table),) if ports else ()), Unplug(veth)),
    )


def isolated_plan() -> EndpointPlan:
    """The network ``none``: a namespace with nothing but its loopback interface."""
    return EndpointPlan(container=(SetUp("lo"),))


def _published(table: str, address: str, ports: tuple[PortBinding, ...]) -> Operations:
    operations: list[Operation] = [
        AddTable(table),
        AddChain(table, "prerouting", "nat", _DSTNAT),
        AddChain(table, "output", "nat", _DSTNAT),
    ]
    for port in ports:
        everywhere = port.host_ip in {"", "0.0.0.0"}  # noqa: S104 - Docker's default, asked for by -p
        matches = (
            LocalDestination() if everywhere else AddressMatch("daddr", port.host_ip),
            ProtocolMatch(port.protocol),
            PortMatch(port.host_port),
        )
        verdict = DestinationNat(address, port.container_port)
        if not port.host_ip.startswith("127."):
            operations.append(AddRule(table, "prerouting", matches, verdict))
        operations.append(AddRule(table, "output", matches, verdict))
    return tuple(operations)


def _address(side: str, cidr: str) -> AddressMatch:
    address, _, length = cidr.partition("/")
    return AddressMatch(side, address, int(length))
