"""Plans of routed ends by value."""

from __future__ import annotations

from engine.network.plan import operations as ops
from engine.network.plan.routed import RoutedEnd, routed_plan
from engine.records import PortBinding

HERE = ops.AddressMatch("daddr", "10.5.0.2", 32)
PORTS = (
    PortBinding(container_port=80, host_port=8080),
    PortBinding(container_port=80, host_port=8081),
    PortBinding(container_port=53, host_port=53, protocol="udp"),
)


def accepted(*matches):
    return ops.AddRule("t", "forward", (HERE, *matches), ops.Accept())


def test_container_is_reached_by_answers_pings_and_at_its_published_ports():
    assert routed_plan("t", (RoutedEnd("br0", "10.5.0.2"),), PORTS) == (
        ops.AddTable("t"),
        ops.AddChain("t", "forward", "filter", 0),
        accepted(ops.Established()),
        accepted(ops.Published()),
        accepted(ops.ProtocolMatch("icmp")),
        accepted(ops.ProtocolMatch("tcp"), ops.PortMatch(80)),
        accepted(ops.ProtocolMatch("udp"), ops.PortMatch(53)),
        ops.AddRule("t", "forward", (HERE, ops.InterfaceMatch("iif", "br0", negate=True)), ops.Drop()),
    )


def test_each_family_has_a_table():
    made = routed_plan("t", (RoutedEnd("br0", "fd00:5::2"), RoutedEnd("br0", "10.5.0.2")), ())
    assert [one.family for one in made if isinstance(one, ops.AddTable)] == ["ip", "ip6"]


def test_container_without_a_routed_end_has_no_table():
    assert routed_plan("t", (), PORTS) == ()
