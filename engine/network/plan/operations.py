"""Owns the operations that plans are made of, as plain frozen values; refuses to say which and when.

A test compares a plan whole; ``engine.network.template`` turns operations into bytes. An address is IPv4 or
IPv6 as it is written; what belongs to nftables names its ``family``: ip, ip6, inet or bridge.
"""

from __future__ import annotations

import msgspec


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
    """tcp, udp, sctp, icmp or icmpv6."""

    protocol: str


class PortMatch(Value, frozen=True):
    """``side`` is dport or sport."""

    port: int
    side: str = "dport"


class PortRangeMatch(Value, frozen=True):
    """``first``, ``last`` and those between them; ``side`` is dport or sport."""

    first: int
    last: int
    side: str = "dport"


class Established(Value, frozen=True):
    """The packet belongs, or is related, to a known connection."""


class Published(Value, frozen=True):
    """The connection came through a published port (its destination was changed)."""


Match = (
    InterfaceMatch
    | AddressMatch
    | LocalDestination
    | ProtocolMatch
    | PortMatch
    | PortRangeMatch
    | Established
    | Published
)


# -- what a rule does ------------------------------------------------------------------------------
class Accept(Value, frozen=True):
    """This table has nothing against the packet."""


class Drop(Value, frozen=True):
    """The packet is gone."""


class Masquerade(Value, frozen=True):
    """The source becomes the address of the interface that the packet leaves by."""


class SourceNat(Value, frozen=True):
    """The source becomes ``address``."""

    address: str


class DestinationNat(Value, frozen=True):
    """The destination becomes ``address:port``."""

    address: str
    port: int


class DestinationAddress(Value, frozen=True):
    """The destination becomes ``address``, the port stays."""

    address: str


class RewritePort(Value, frozen=True):
    """The ``side`` (dport or sport) becomes ``port``, checksum and all, without connection tracking."""

    side: str
    protocol: str
    port: int


class RewriteAddress(Value, frozen=True):
    """The ``side`` (daddr or saddr) becomes ``address``, without connection tracking."""

    side: str
    address: str


Verdict = (
    Accept
    | Drop
    | Masquerade
    | SourceNat
    | DestinationNat
    | DestinationAddress
    | RewritePort
    | RewriteAddress
)


# -- operations ------------------------------------------------------------------------------------
class AddBridge(Value, frozen=True):
    """A bridge, up, with a fixed MAC: a borrowed one would change with every port that comes and goes."""

    name: str
    mac: str
    mtu: int


class AddVeth(Value, frozen=True):
    """A veth pair: ``name`` is a port of ``bridge`` and up, ``peer`` is born in the container.

    The container's namespace is the descriptor ``engine.shim.wire.NETNS_FD`` of whoever sends.
    """

    name: str
    bridge: str
    mac: str
    mtu: int
    peer: str = "eth0"


class AddSubinterface(Value, frozen=True):
    """A macvlan or an ipvlan of ``parent``, born in the container (``engine.shim.wire.NETNS_FD``).

    ``mode`` and ``flag`` are Docker's words: bridge, private, vepa, passthru; l2, l3, l3s with bridge,
    private, vepa. An ipvlan has its parent's MAC: ``mac`` is "" then. ``mtu`` 0 is the parent's.
    """

    kind: str
    parent: str
    name: str
    mode: str
    flag: str = ""
    mac: str = ""
    mtu: int = 0


class AddVlan(Value, frozen=True):
    """The interface of an 802.1Q VLAN of ``parent``, up."""

    name: str
    parent: str
    number: int


class AddDummy(Value, frozen=True):
    """An interface without anything behind it, up."""

    name: str


class SetPort(Value, frozen=True):
    """A bridge port's frames may leave by the port they came from; an ``isolated`` one's reach no other such.

    With bridge netfilter on, a container that calls itself through its host port is sent straight back.
    """

    name: str
    isolated: bool = False


class SetSysctl(Value, frozen=True):
    """``key`` below /proc/sys, with slashes, as net/ipv6/conf/eth0/disable_ipv6; one not there is fine.

    It is of the network namespace whose list of operations this is in.
    """

    key: str
    value: str


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
    """An address with its broadcast address; IPv6 has none (""), and is used at once."""

    interface: str
    address: str
    broadcast: str
    prefix_length: int


class AddDefaultRoute(Value, frozen=True):
    """The default route of the gateway's family."""

    gateway: str


class AddRoute(Value, frozen=True):
    """A route to ``destination`` (0.0.0.0 or :: with length 0: all), by a gateway, an interface or both.

    With ``replace`` one to the same destination that is there already goes.
    """

    destination: str
    prefix_length: int
    gateway: str = ""
    interface: str = ""
    replace: bool = False


class DeleteRoute(Value, frozen=True):
    """The route to ``destination`` goes, whichever way it leads; one that is gone is fine."""

    destination: str
    prefix_length: int


class AddTable(Value, frozen=True):
    """An nftables table."""

    name: str
    family: str = "ip"


class ReplaceTable(Value, frozen=True):
    """An empty table, whether there was one or not; what follows fills it in the same transaction."""

    name: str
    family: str = "ip"


class DeleteTable(Value, frozen=True):
    """A table goes with all its chains and rules; one that is gone is fine."""

    name: str
    family: str = "ip"


class FindTable(Value, frozen=True):
    """Nothing is changed; the kernel refuses (ENOENT) if there is no such table."""

    name: str
    family: str = "ip"


class AddChain(Value, frozen=True):
    """A base chain; ``type`` is filter or nat."""

    table: str
    name: str
    type: str
    priority: int
    family: str = "ip"


class AddRule(Value, frozen=True):
    """A rule at the end of its chain."""

    table: str
    chain: str
    matches: tuple[Match, ...]
    verdict: Verdict
    family: str = "ip"


Operation = (
    AddBridge
    | AddVeth
    | AddSubinterface
    | AddVlan
    | AddDummy
    | SetPort
    | SetSysctl
    | Unplug
    | DeleteLink
    | SetUp
    | AddAddress
    | AddDefaultRoute
    | AddRoute
    | DeleteRoute
    | AddTable
    | ReplaceTable
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
