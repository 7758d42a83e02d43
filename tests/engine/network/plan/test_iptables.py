"""Tables in iptables' words, by value."""

from __future__ import annotations

import msgspec
import pytest

from engine.errors import NetworkFailure
from engine.network.plan import bridges
from engine.network.plan import operations as ops
from engine.network.plan.iptables import restore_text
from engine.network.plan.published import published_plan
from engine.network.plan.routed import RoutedEnd, routed_plan
from engine.records import Network, PortBinding

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


def text_of(operations, family="ip"):
    mine = [one for one in operations if one.family == family]
    return restore_text(mine[0].name, mine)


def rules(text):
    return [line for line in text.splitlines() if line.startswith("-")]


def test_a_bridge_s_table():
    assert text_of(bridges.bridge_tables_plan(NETWORK)) == (
        "*mangle\n"
        ":TUIDOCK-br0-PRE - [0:0]\n"
        ":TUIDOCK-br0-FWD - [0:0]\n"
        "-A TUIDOCK-br0-PRE -d 127.0.0.0/8 -i br0 -j DROP\n"
        "-A TUIDOCK-br0-PRE -s 127.0.0.0/8 -i br0 -j DROP\n"
        "-A TUIDOCK-br0-FWD -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN\n"
        "-A TUIDOCK-br0-FWD -o br0 -m conntrack --ctstate DNAT -j RETURN\n"
        "-A TUIDOCK-br0-FWD -o br0 ! -i br0 -j DROP\n"
        "-I PREROUTING -m comment --comment tuidock-br0 -j TUIDOCK-br0-PRE\n"
        "-I FORWARD -m comment --comment tuidock-br0 -j TUIDOCK-br0-FWD\n"
        "COMMIT\n"
        "*nat\n"
        ":TUIDOCK-br0-POST - [0:0]\n"
        "-A TUIDOCK-br0-POST -s 127.0.0.0/8 -o br0 -m conntrack --ctstate DNAT -j MASQUERADE\n"
        "-A TUIDOCK-br0-POST -s 10.5.0.0/24 -o br0 -m conntrack --ctstate DNAT -j MASQUERADE\n"
        "-A TUIDOCK-br0-POST -s 10.5.0.0/24 ! -o br0 -j MASQUERADE\n"
        "-I POSTROUTING -m comment --comment tuidock-br0 -j TUIDOCK-br0-POST\n"
        "COMMIT\n"
    )


def test_a_chosen_source_and_ipv6():
    options = {"com.docker.network.host_ipv6": "2001:db8::1"}
    made = bridges.bridge_tables_plan(msgspec.structs.replace(NETWORK, options=options))
    assert "-A TUIDOCK-br0-POST -s fd00:5::/64 ! -o br0 -j SNAT --to-source 2001:db8::1" in rules(
        text_of(made, "ip6")
    )


def test_an_internal_bridge_drops_both_ways():
    made = bridges.bridge_tables_plan(msgspec.structs.replace(NETWORK, internal=True))
    assert [line for line in rules(text_of(made)) if "-A TUIDOCK-br0-FWD" in line] == [
        "-A TUIDOCK-br0-FWD -i br0 ! -o br0 -j DROP",
        "-A TUIDOCK-br0-FWD -o br0 ! -i br0 -j DROP",
    ]


def test_interfaces_that_are_kept_apart_go_on_in_a_chain_of_their_own():
    """iptables takes one interface of each direction; a return from where -g leads is one from the first."""
    assert text_of(bridges.guard_plan(("eth0", "eth1"))) == (
        "*mangle\n"
        ":TUIDOCK-forward-FWD - [0:0]\n"
        ":TUIDOCK-forward-FWD2 - [0:0]\n"
        ":TUIDOCK-forward-FWD3 - [0:0]\n"
        "-A TUIDOCK-forward-FWD -i eth0 -g TUIDOCK-forward-FWD2\n"
        "-A TUIDOCK-forward-FWD -i eth1 -g TUIDOCK-forward-FWD2\n"
        "-A TUIDOCK-forward-FWD -j RETURN\n"
        "-A TUIDOCK-forward-FWD2 -o eth0 -g TUIDOCK-forward-FWD3\n"
        "-A TUIDOCK-forward-FWD2 -o eth1 -g TUIDOCK-forward-FWD3\n"
        "-A TUIDOCK-forward-FWD2 -j RETURN\n"
        "-A TUIDOCK-forward-FWD3 -j DROP\n"
        "-I FORWARD -m comment --comment tuidock-forward -j TUIDOCK-forward-FWD\n"
        "COMMIT\n"
    )


def test_published_ports():
    ports = (
        PortBinding(container_port=80, host_port=8080),
        *(PortBinding(container_port=port, host_port=port, protocol="udp") for port in (5000, 5001)),
        PortBinding(container_port=53, host_port=53, host_ip="127.0.0.1", protocol="udp"),
    )
    made = rules(text_of(published_plan("tuidock-c", "10.5.0.2", ports)))
    led = [line.partition(" -p ")[2] for line in made if "-A TUIDOCK-c-PRE" in line]
    assert led == [
        "tcp --dport 8080 -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.5.0.2:80",
        "udp --dport 5000:5001 -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.5.0.2",
    ]
    here = "-A TUIDOCK-c-OUT -d 127.0.0.1/32 -p udp --dport 53 -j DNAT --to-destination 10.5.0.2:53"
    assert here in made


def test_published_ports_of_ipv6():
    ports = (PortBinding(container_port=80, host_port=8080, host_ip="::"),)
    made = rules(text_of(published_plan("tuidock-c", "", ports, "fd00:5::2"), "ip6"))
    led = "-p tcp --dport 8080 -m addrtype --dst-type LOCAL -j DNAT --to-destination [fd00:5::2]:80"
    assert [line for line in made if "-A TUIDOCK-c-OUT" in line] == [
        "-A TUIDOCK-c-OUT -d fe80::/10 -j RETURN",
        "-A TUIDOCK-c-OUT -d ::1/128 -j RETURN",
        f"-A TUIDOCK-c-OUT {led}",
    ]


def test_a_ping_of_ipv6_has_iptables_name():
    made = rules(text_of(routed_plan("tuidock-c", (RoutedEnd("br0", "fd00:5::2"),), ()), "ip6"))
    assert "-A TUIDOCK-c-FWD -d fd00:5::2/128 -p ipv6-icmp -j RETURN" in made


def test_the_longest_name_fits():
    made = text_of(bridges.bridge_tables_plan(msgspec.structs.replace(NETWORK, bridge="b" * 15)))
    names = [line[1:].split()[0] for line in made.splitlines() if line.startswith(":")]
    assert max(map(len, names)) == 28


def test_a_name_with_a_quote_is_one_word():
    made = text_of(bridges.guard_plan(('e"0',)))
    assert '-A TUIDOCK-forward-FWD ! -i "e\\"0" -j RETURN' in rules(made)


def test_a_name_that_iptables_takes_for_a_pattern_is_refused():
    with pytest.raises(NetworkFailure, match=r"all that begin so: e\+"):
        text_of(bridges.guard_plan(("e+",)))


def test_what_has_no_counterpart_is_refused():
    rule = ops.AddRule("tuidock-x", "prerouting", (), ops.RewritePort("dport", "udp", 5))
    chain = ops.AddChain("tuidock-x", "prerouting", "filter", 0)
    with pytest.raises(NetworkFailure, match="it has no RewritePort"):
        restore_text("tuidock-x", (chain, rule))
