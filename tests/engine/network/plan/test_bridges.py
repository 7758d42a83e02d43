"""Plans of bridges by value."""

from __future__ import annotations

import msgspec
import pytest

from engine.network.plan import bridges, naming
from engine.network.plan import operations as ops
from engine.records import Network

_ICC = "com.docker.network.bridge.enable_icc"
_MODE, _MODE6 = (f"com.docker.network.bridge.gateway_mode_ipv{version}" for version in (4, 6))
NETWORK = Network(
    id="ab" * 32,
    name="mine",
    driver="bridge",
    created=1,
    subnet="10.5.0.0/24",
    gateway="10.5.0.1",
    subnet6="fd00:5::/64",
    gateway6="fd00:5::1",
    bridge="br0",
)
TABLE = "tuidock-br0"
OUT, IN = ops.InterfaceMatch("oif", "br0"), ops.InterfaceMatch("iif", "br0")
FROM_ELSEWHERE = ops.InterfaceMatch("iif", "br0", negate=True)
TO_ELSEWHERE = ops.InterfaceMatch("oif", "br0", negate=True)
OWN = {"ip": ops.AddressMatch("saddr", "10.5.0.0", 24), "ip6": ops.AddressMatch("saddr", "fd00:5::", 64)}


def network(options=None, **changes):
    return msgspec.structs.replace(NETWORK, options=options or {}, **changes)


def rules(made, chain, family):
    plan = bridges.bridge_tables_plan(made)
    return [
        (one.matches, one.verdict)
        for one in plan
        if isinstance(one, ops.AddRule) and (one.chain, one.family) == (chain, family)
    ]


def test_bridge_has_the_gateways_addresses_and_docker_s_mac():
    assert bridges.bridge_link_plan(NETWORK, 1400) == (
        ops.AddBridge("br0", "02:42:0a:05:00:01", 1400),
        ops.SetSysctl("net/ipv6/conf/br0/disable_ipv6", "0"),
        ops.AddAddress("br0", "10.5.0.1", "10.5.0.255", 24),
        ops.AddAddress("br0", "fd00:5::1", "", 64),
    )


def test_bridge_without_ipv6_has_no_address_of_it():
    assert bridges.bridge_link_plan(network(subnet6="", gateway6=""), 1500)[1:] == (
        ops.SetSysctl("net/ipv6/conf/br0/disable_ipv6", "1"),
        ops.AddAddress("br0", "10.5.0.1", "10.5.0.255", 24),
    )


def test_bridge_of_ipv6_alone_has_a_mac_of_its_gateway():
    made = bridges.bridge_link_plan(network(subnet="", gateway=""), 1500)
    assert made[0] == ops.AddBridge("br0", "02:42:00:00:00:01", 1500)


def test_mtu_that_is_asked_for_wins():
    made = bridges.bridge_link_plan(network({"com.docker.network.driver.mtu": "9000"}), 1500)
    assert made[0].mtu == 9000


@pytest.mark.parametrize(
    ("options", "addresses"),
    [
        ({_MODE: "isolated"}, ["fd00:5::1"]),
        ({_MODE: "isolated", _MODE6: "isolated"}, []),
        ({"com.docker.network.bridge.inhibit_ipv4": "true"}, ["fd00:5::1"]),
    ],
)
def test_isolated_bridge_has_no_address(options, addresses):
    made = bridges.bridge_link_plan(network(options, internal="isolated" in options.values()), 1500)
    assert [one.address for one in made if isinstance(one, ops.AddAddress)] == addresses


def test_each_family_has_a_table():
    made = bridges.bridge_tables_plan(NETWORK)
    assert [one for one in made if isinstance(one, ops.AddTable)] == [
        ops.AddTable(TABLE, "ip"),
        ops.AddTable(TABLE, "ip6"),
    ]


def test_family_that_is_off_has_no_table():
    assert bridges.table_families(network(subnet="", gateway="")) == ("ip6",)


def test_loopback_is_guarded_before_anything_else():
    assert bridges.bridge_tables_plan(NETWORK)[1:4] == (
        ops.AddChain(TABLE, "prerouting", "filter", -300),
        ops.AddRule(TABLE, "prerouting", (IN, ops.AddressMatch("daddr", "127.0.0.0", 8)), ops.Drop()),
        ops.AddRule(TABLE, "prerouting", (IN, ops.AddressMatch("saddr", "127.0.0.0", 8)), ops.Drop()),
    )


@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_only_answers_and_published_ports_come_in(family):
    assert rules(NETWORK, "forward", family) == [
        ((OUT, ops.Established()), ops.Accept()),
        ((OUT, ops.Published()), ops.Accept()),
        ((OUT, FROM_ELSEWHERE), ops.Drop()),
    ]


@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_containers_apart_are_not_forwarded_to_each_other(family):
    assert rules(network({_ICC: "false"}), "forward", family)[-1] == ((IN, OUT), ops.Drop())


@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_internal_network_forwards_nothing_to_or_from_elsewhere(family):
    assert rules(network(internal=True), "forward", family) == [
        ((IN, TO_ELSEWHERE), ops.Drop()),
        ((OUT, FROM_ELSEWHERE), ops.Drop()),
    ]


@pytest.mark.parametrize("family", ["ip", "ip6"])
@pytest.mark.parametrize(
    ("options", "internal", "verdicts"),
    [
        ({}, False, [ops.Masquerade()]),
        ({}, True, []),
        ({"com.docker.network.bridge.enable_ip_masquerade": "false"}, False, []),
        ({_MODE: "routed", _MODE6: "routed"}, False, []),
    ],
)
def test_what_leaves_is_masqueraded_unless_it_is_routed(family, options, internal, verdicts):
    found = rules(network(options, internal=internal), "postrouting", family)
    assert [verdict for matches, verdict in found if matches == (TO_ELSEWHERE, OWN[family])] == verdicts


def test_source_address_that_is_asked_for_is_that_of_what_leaves():
    options = {"com.docker.network.host_ipv4": "192.0.2.9", "com.docker.network.host_ipv6": "2001:db8::9"}
    assert [rules(network(options), "postrouting", family)[-1][1] for family in ("ip", "ip6")] == [
        ops.SourceNat("192.0.2.9"),
        ops.SourceNat("2001:db8::9"),
    ]


@pytest.mark.parametrize("mode", ["routed", "nat-unprotected"])
def test_bridge_of_a_routed_or_unprotected_network_lets_everything_in(mode):
    assert ((OUT, FROM_ELSEWHERE), ops.Drop()) not in rules(network({_MODE: mode}), "forward", "ip")


def test_trusted_interface_reaches_containers():
    made = network({"com.docker.network.bridge.trusted_host_interfaces": "vpn0:lan0"})
    assert [matches for matches, _ in rules(made, "forward", "ip")[2:4]] == [
        (OUT, ops.InterfaceMatch("iif", "vpn0")),
        (OUT, ops.InterfaceMatch("iif", "lan0")),
    ]


@pytest.mark.parametrize("family", ["ip", "ip6"])
def test_guard_keeps_the_interfaces_of_now_apart(family):
    assert bridges.guard_plan(("up0", "up1"), family)[2:] == (
        ops.AddRule(
            "tuidock-forward",
            "forward",
            (ops.InterfaceMatch("iif", "up0", negate=True), ops.InterfaceMatch("iif", "up1", negate=True)),
            ops.Accept(),
            family,
        ),
        ops.AddRule(
            "tuidock-forward",
            "forward",
            (ops.InterfaceMatch("oif", "up0", negate=True), ops.InterfaceMatch("oif", "up1", negate=True)),
            ops.Accept(),
            family,
        ),
        ops.AddRule("tuidock-forward", "forward", (), ops.Drop(), family),
    )


@pytest.mark.parametrize(
    ("address", "mac"), [("172.17.0.2", "02:42:ac:11:00:02"), ("fd00:5::1:2", "02:42:00:01:00:02")]
)
def test_mac_is_made_of_the_address(address, mac):
    assert naming.mac_from_address(address) == mac
