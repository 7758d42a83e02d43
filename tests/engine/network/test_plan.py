"""Plans by value."""

from __future__ import annotations

from engine.network.plan import bridges, endpoints, naming
from engine.network.plan.operations import (
    AddAddress,
    AddBridge,
    AddChain,
    AddDefaultRoute,
    AddressMatch,
    AddRule,
    AddTable,
    AddVeth,
    DeleteTable,
    DestinationNat,
    Drop,
    EndpointPlan,
    InterfaceMatch,
    LocalDestination,
    Masquerade,
    PortMatch,
    ProtocolMatch,
    SetPort,
    SetUp,
    Unplug,
)
from engine.records import Endpoint, PortBinding

OWNER = "0123456789abcdef" * 4
SUBNET = "172.17.0.0/16"
ENDPOINT = Endpoint(
    network="bridge",
    address="172.17.0.2",
    prefix_length=16,
    gateway="172.17.0.1",
    mac_address="02:42:ac:11:00:02",
)


def test_bridge_has_the_gateway_s_address_and_mac():
    assert bridges.bridge_link_plan("tuidock0", SUBNET, "172.17.0.1", 1400) == (
        AddBridge("tuidock0", "02:42:ac:11:00:01", 1400),
        AddAddress("tuidock0", "172.17.0.1", "172.17.255.255", 16),
    )


def test_endpoint_without_ports_has_no_table():
    assert endpoints.endpoint_plan(OWNER, "tuidock0", SUBNET, ENDPOINT, (), 1500) == EndpointPlan(
        host=(
            AddVeth("veth0123456789a", "tuidock0", "02:42:ac:11:00:02", 1500),
            SetPort("veth0123456789a"),
        ),
        container=(
            SetUp("lo"),
            AddAddress("eth0", "172.17.0.2", "172.17.255.255", 16),
            SetUp("eth0"),
            AddDefaultRoute("172.17.0.1"),
        ),
        teardown=(Unplug("veth0123456789a"),),
    )


def test_published_port_is_taken_from_elsewhere_and_from_the_host():
    ports = (PortBinding(container_port=80, host_port=8080, host_ip="0.0.0.0"),)
    made = endpoints.endpoint_plan(OWNER, "tuidock0", SUBNET, ENDPOINT, ports, 1500)
    table = "tuidock-0123456789ab"
    matches = (LocalDestination(), ProtocolMatch("tcp"), PortMatch(8080))
    assert made.host[2:] == (
        AddTable(table),
        AddChain(table, "prerouting", "nat", -100),
        AddChain(table, "output", "nat", -100),
        AddRule(table, "prerouting", matches, DestinationNat("172.17.0.2", 80)),
        AddRule(table, "output", matches, DestinationNat("172.17.0.2", 80)),
    )


def test_table_goes_before_the_interface():
    ports = (PortBinding(container_port=80, host_port=8080),)
    made = endpoints.endpoint_plan(OWNER, "tuidock0", SUBNET, ENDPOINT, ports, 1500)
    assert made.teardown == (DeleteTable("tuidock-0123456789ab"), Unplug("veth0123456789a"))


def test_port_of_one_address_is_taken_there_only():
    ports = (PortBinding(container_port=53, host_port=53, host_ip="192.0.2.2", protocol="udp"),)
    made = endpoints.endpoint_plan(OWNER, "tuidock0", SUBNET, ENDPOINT, ports, 1500)
    matches = (AddressMatch("daddr", "192.0.2.2"), ProtocolMatch("udp"), PortMatch(53))
    assert [rule.matches for rule in made.host if isinstance(rule, AddRule)] == [matches, matches]


def test_port_of_loopback_is_not_taken_from_elsewhere():
    ports = (PortBinding(container_port=80, host_port=80, host_ip="127.0.0.1"),)
    made = endpoints.endpoint_plan(OWNER, "tuidock0", SUBNET, ENDPOINT, ports, 1500)
    assert [rule.chain for rule in made.host if isinstance(rule, AddRule)] == ["output"]


def test_loopback_is_guarded_before_anything_else():
    operations = bridges.bridge_table_plan("tuidock0", SUBNET)
    entering = InterfaceMatch("iif", "tuidock0")
    assert operations[1:4] == (
        AddChain("tuidock-tuidock0", "prerouting", "filter", -300),
        AddRule("tuidock-tuidock0", "prerouting", (entering, AddressMatch("daddr", "127.0.0.0", 8)), Drop()),
        AddRule("tuidock-tuidock0", "prerouting", (entering, AddressMatch("saddr", "127.0.0.0", 8)), Drop()),
    )


def test_internal_network_is_not_masqueraded():
    operations = bridges.bridge_table_plan("tuidock0", SUBNET, internal=True)
    leaving = InterfaceMatch("oif", "tuidock0", negate=True)
    assert not [
        rule
        for rule in operations
        if isinstance(rule, AddRule) and leaving in rule.matches and isinstance(rule.verdict, Masquerade)
    ]


def test_network_none_is_a_loopback_interface():
    assert endpoints.isolated_plan() == EndpointPlan(container=(SetUp("lo"),))


def test_names_fit_the_kernel():
    assert (len(naming.veth_name(OWNER)), naming.container_table(OWNER)) == (15, "tuidock-0123456789ab")
