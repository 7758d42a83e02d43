"""Published ports as plans and as what a supervisor holds, by value."""

from __future__ import annotations

from engine.network.plan.operations import (
    Accept,
    AddChain,
    AddressMatch,
    AddRule,
    AddTable,
    DestinationAddress,
    DestinationNat,
    LocalDestination,
    PortMatch,
    PortRangeMatch,
    ProtocolMatch,
)
from engine.network.plan.published import PortRun, port_entries, port_runs, published_plan
from engine.records import PortBinding

TABLE = "tuidock-0123456789ab"
FOUR, SIX = "172.17.0.2", "fd00::2"


def binding(host_port, container_port=80, host_ip="0.0.0.0", protocol="tcp"):
    return PortBinding(container_port=container_port, host_port=host_port, host_ip=host_ip, protocol=protocol)


def rules(operations, chain):
    return [one for one in operations if isinstance(one, AddRule) and one.chain == chain]


def test_port_is_led_from_elsewhere_and_from_the_host():
    matches = (ProtocolMatch("tcp"), PortMatch(8080), LocalDestination())
    assert published_plan(TABLE, FOUR, (binding(8080),)) == (
        AddTable(TABLE),
        AddChain(TABLE, "prerouting", "nat", -100),
        AddChain(TABLE, "output", "nat", -100),
        AddRule(TABLE, "prerouting", matches, DestinationNat(FOUR, 80)),
        AddRule(TABLE, "output", matches, DestinationNat(FOUR, 80)),
    )


def test_ipv6_is_led_but_for_loopback_and_what_is_on_the_link():
    matches = (ProtocolMatch("udp"), PortMatch(53), LocalDestination())
    verdict = DestinationNat(SIX, 5353)
    link, here = (AddressMatch("daddr", "fe80::", 10),), (AddressMatch("daddr", "::1", 128),)
    assert published_plan(TABLE, "", (binding(53, 5353, "::", "udp"),), SIX) == (
        AddTable(TABLE, "ip6"),
        AddChain(TABLE, "prerouting", "nat", -100, "ip6"),
        AddChain(TABLE, "output", "nat", -100, "ip6"),
        AddRule(TABLE, "prerouting", link, Accept(), "ip6"),
        AddRule(TABLE, "output", link, Accept(), "ip6"),
        AddRule(TABLE, "output", here, Accept(), "ip6"),
        AddRule(TABLE, "prerouting", matches, verdict, "ip6"),
        AddRule(TABLE, "output", matches, verdict, "ip6"),
    )


def test_both_families_have_a_table_each():
    made = published_plan(TABLE, FOUR, (binding(80), binding(80, host_ip="::")), SIX)
    assert [one.family for one in made if isinstance(one, AddTable)] == ["ip", "ip6"]


def test_ipv6_without_an_address_of_the_container_has_no_rule():
    assert published_plan(TABLE, FOUR, (binding(80, host_ip="::"),)) == ()


def test_port_of_one_address_is_led_there_only():
    made = published_plan(TABLE, FOUR, (binding(53, 53, "192.0.2.2", "udp"),))
    matches = (ProtocolMatch("udp"), PortMatch(53), AddressMatch("daddr", "192.0.2.2"))
    assert [rule.matches for rule in rules(made, "prerouting")] == [matches]


def test_port_of_loopback_is_not_led_from_elsewhere():
    made = published_plan(TABLE, FOUR, (binding(80, host_ip="127.0.0.1"),))
    assert (len(rules(made, "prerouting")), len(rules(made, "output"))) == (0, 1)


def test_port_of_ipv6_loopback_has_no_rule():
    assert published_plan(TABLE, FOUR, (binding(80, host_ip="::1"),), SIX) == ()


def test_a_thousand_ports_that_stay_the_same_are_one_rule():
    made = published_plan(TABLE, FOUR, tuple(binding(port, port) for port in range(8000, 9000)))
    matches = (ProtocolMatch("tcp"), PortRangeMatch(8000, 8999), LocalDestination())
    assert rules(made, "output") == [AddRule(TABLE, "output", matches, DestinationAddress(FOUR))]


def test_a_range_that_is_shifted_has_a_rule_for_each_port():
    made = published_plan(TABLE, FOUR, (binding(8000, 80), binding(8001, 81)))
    assert [rule.verdict for rule in rules(made, "output")] == [
        DestinationNat(FOUR, 80),
        DestinationNat(FOUR, 81),
    ]


def test_ports_in_a_row_are_one_run_for_each_address():
    ports = [binding(port, port, ip) for port in (1, 2, 3, 5) for ip in ("0.0.0.0", "::")]
    assert port_runs(ports) == (
        PortRun("0.0.0.0", "tcp", 1, 1, 3),
        PortRun("0.0.0.0", "tcp", 5, 5),
        PortRun("::", "tcp", 1, 1, 3),
        PortRun("::", "tcp", 5, 5),
    )


def entry(binding_, *addresses, **fields):
    (found,) = port_entries((binding_,), *addresses, **fields)
    return found["address"], found["relay"]


def test_supervisor_only_holds_what_the_rules_lead():
    assert port_entries((binding(8080),), FOUR) == [
        {
            "host_ip": "0.0.0.0",
            "protocol": "tcp",
            "host_port": 8080,
            "container_port": 80,
            "count": 1,
            "address": FOUR,
            "relay": False,
        }
    ]


def test_supervisor_relays_ipv6_to_where_the_container_has_an_address():
    assert entry(binding(80, host_ip="::"), FOUR) == (FOUR, True)


def test_supervisor_relays_ipv6_over_ipv6_if_it_can():
    assert entry(binding(80, host_ip="::"), FOUR, SIX) == (SIX, True)


def test_supervisor_relays_ipv4_of_a_container_without_it():
    assert entry(binding(80), "", SIX) == (SIX, True)


def test_supervisor_relays_all_where_there_are_no_rules():
    assert entry(binding(80), FOUR, relay=True) == (FOUR, True)
