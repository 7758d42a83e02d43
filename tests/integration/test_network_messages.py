"""Operations of plans, sent to the real kernel, as the kernel's own tools show them afterwards."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from engine.network.plan import naming
from engine.network.plan import operations as ops
from engine.network.template import Templates
from engine.shim import netlink_send
from engine.shim.network import within
from engine.shim.wire import NETNS_FD
from tests.support.netlab import makes, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

LAN = (ops.AddBridge("lan0", "02:42:0a:07:00:01", 1400),)
REWRITE = (
    ops.AddTable("names"),
    ops.AddChain("names", "output", "filter", -150),
    ops.AddRule(
        "names",
        "output",
        (ops.AddressMatch("daddr", "127.0.0.11"), ops.ProtocolMatch("udp"), ops.PortMatch(53)),
        ops.RewritePort("dport", "udp", 5353),
    ),
    ops.AddRule(
        "names",
        "output",
        (ops.AddressMatch("saddr", "127.0.0.11"), ops.ProtocolMatch("tcp"), ops.PortMatch(5353, "sport")),
        ops.RewritePort("sport", "tcp", 53),
    ),
    ops.AddRule("names", "output", (ops.PortMatch(7),), ops.RewriteAddress("daddr", "127.0.0.9")),
)


class Hosts:
    """``host`` and ``container``, two namespaces; plans are sent as the supervisor sends them."""

    def __init__(self, folder: Path) -> None:
        mark = secrets.token_hex(4)
        self.host, self.container = f"td{mark}h", f"td{mark}c"
        self._templates = Templates(str(folder))
        for name in (self.host, self.container):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")

    def send(self, *operations: ops.Operation, where: str = "") -> None:
        items = msgspec.to_builtins(self._templates.items(operations))
        container, at = (
            os.open(f"/run/netns/{name}", os.O_RDONLY) for name in (self.container, where or self.host)
        )
        os.dup2(container, NETNS_FD)
        try:
            within(at, lambda: netlink_send.send(items))
        finally:
            for descriptor in (container, at, NETNS_FD):
                os.close(descriptor)

    def inside(self, *operations: ops.Operation) -> None:
        self.send(*operations, where=self.container)

    def ip(self, name: str, *arguments: str) -> Any:
        return json.loads(run("ip", "-n", name, "-j", "-d", *arguments) or "[]")

    def execute(self, name: str, *command: str) -> str:
        return run("ip", "netns", "exec", name, *command)

    def close(self) -> None:
        for name in (self.host, self.container):
            run("ip", "netns", "del", name)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path)
    yield made
    made.close()


def test_ipv6_address_is_used_at_once(hosts: Hosts) -> None:
    hosts.send(*LAN, ops.AddAddress("lan0", "fd00:7::1", "", 64))
    (link,) = hosts.ip(hosts.host, "addr", "show", "dev", "lan0", "scope", "global")
    (address,) = [info for info in link["addr_info"] if info]
    assert (address["local"], address["prefixlen"], address.get("tentative")) == ("fd00:7::1", 64, None)


def test_ipv6_routes_are_added_replaced_and_deleted(hosts: Hosts) -> None:
    up = (*LAN, ops.AddAddress("lan0", "fd00:7::2", "", 64))
    hosts.send(*up, ops.AddDefaultRoute("fd00:7::1"), ops.AddRoute("fd00:8::", 48, "fd00:7::1"))
    hosts.send(ops.AddRoute("::", 0, "fd00:7::9", replace=True), ops.DeleteRoute("fd00:8::", 48))
    routes = hosts.ip(hosts.host, "-6", "route", "show", "proto", "boot")
    assert [(route["dst"], route["gateway"]) for route in routes] == [("default", "fd00:7::9")]


def test_a_default_route_may_lead_to_a_mere_interface(hosts: Hosts) -> None:
    hosts.send(*LAN, ops.AddAddress("lan0", "10.7.0.2", "10.7.0.255", 24))
    hosts.send(ops.AddRoute("0.0.0.0", 0, interface="lan0"))
    (route,) = hosts.ip(hosts.host, "route", "show", "default")
    assert (route["dev"], route["scope"]) == ("lan0", "link")


def test_a_route_that_is_gone_may_be_deleted(hosts: Hosts) -> None:
    hosts.send(*LAN, ops.AddAddress("lan0", "10.7.0.2", "10.7.0.255", 24))
    hosts.send(ops.AddDefaultRoute("10.7.0.1"), ops.DeleteRoute("0.0.0.0", 0), ops.DeleteRoute("0.0.0.0", 0))
    assert hosts.ip(hosts.host, "route", "show", "default") == []


@pytest.mark.parametrize("mode", ["bridge", "private", "vepa", "passthru"])
def test_macvlan_is_born_in_the_container(hosts: Hosts, mode: str) -> None:
    hosts.send(*LAN, ops.AddSubinterface("macvlan", "lan0", "eth0", mode))
    (link,) = hosts.ip(hosts.container, "link", "show", "eth0")
    shown = link["linkinfo"]["info_kind"], link["linkinfo"]["info_data"]["mode"], link["mtu"]
    assert shown == ("macvlan", mode, 1400)


def test_macvlan_has_the_mac_that_is_asked_for(hosts: Hosts) -> None:
    hosts.send(*LAN, ops.AddSubinterface("macvlan", "lan0", "eth0", "bridge", mac="02:42:0a:07:00:02"))
    assert hosts.ip(hosts.container, "link", "show", "eth0")[0]["address"] == "02:42:0a:07:00:02"


@pytest.mark.skipif(not makes("ipvlan"), reason="this kernel has no ipvlan")
@pytest.mark.parametrize(("mode", "flag"), [("l2", "bridge"), ("l3", "private"), ("l3s", "vepa")])
def test_ipvlan_is_born_in_the_container(hosts: Hosts, mode: str, flag: str) -> None:
    hosts.send(*LAN, ops.AddSubinterface("ipvlan", "lan0", "eth0", mode, flag))
    (link,) = hosts.ip(hosts.container, "link", "show", "eth0")
    assert (link["linkinfo"]["info_kind"], link["linkinfo"]["info_data"]) == (
        "ipvlan",
        {"mode": mode, flag: True},
    )


@pytest.mark.skipif(not makes("dummy"), reason="this kernel has no dummy interfaces")
def test_dummy_is_up(hosts: Hosts) -> None:
    hosts.send(ops.AddDummy("dm-0"))
    (link,) = hosts.ip(hosts.host, "link", "show", "dm-0")
    assert (link["linkinfo"]["info_kind"], "UP" in link["flags"]) == ("dummy", True)


@pytest.mark.skipif(not makes("vlan"), reason="this kernel has no 802.1Q")
def test_vlan_is_made_of_its_parent_and_up(hosts: Hosts) -> None:
    hosts.send(*LAN, ops.AddVlan("lan0.50", "lan0", 50))
    (link,) = hosts.ip(hosts.host, "link", "show", "lan0.50")
    assert (link["link"], link["linkinfo"]["info_data"]["id"], "UP" in link["flags"]) == ("lan0", 50, True)


@pytest.mark.parametrize("isolated", [False, True])
def test_port_is_hairpin_and_perhaps_isolated(hosts: Hosts, isolated: bool) -> None:
    hosts.send(*LAN, ops.AddVeth("port0", "lan0", "02:42:0a:07:00:02", 1400), ops.SetPort("port0", isolated))
    (link,) = hosts.ip(hosts.host, "link", "show", "port0")
    port = link["linkinfo"]["info_slave_data"]
    assert (port["hairpin"], port["isolated"]) == (True, isolated)


def test_veth_may_be_without_a_bridge(hosts: Hosts) -> None:
    hosts.send(ops.AddVeth("port0", "", "02:42:0a:07:00:02", 1400, "eth3"))
    assert "master" not in hosts.ip(hosts.host, "link", "show", "port0")[0]
    assert hosts.ip(hosts.container, "link", "show", "eth3")[0]["mtu"] == 1400


def test_sysctl_is_of_the_namespace_where_it_is_sent(hosts: Hosts) -> None:
    setting = "/proc/sys/net/ipv4/conf/lo/rp_filter"
    before = hosts.execute(hosts.host, "cat", setting)
    hosts.inside(ops.SetSysctl("net/ipv4/conf/lo/rp_filter", "2"))
    assert hosts.execute(hosts.container, "cat", setting) == "2\n"
    assert hosts.execute(hosts.host, "cat", setting) == before != "2\n"


def test_sysctl_that_the_kernel_does_not_have_is_passed_over(hosts: Hosts) -> None:
    hosts.inside(ops.SetSysctl("net/ipv6/conf/eth7/disable_ipv6", "1"), *LAN)
    assert hosts.ip(hosts.container, "link", "show", "lan0")


@pytest.mark.parametrize("family", ["ip", "ip6", "inet", "bridge"])
def test_table_of_each_family_is_found_and_deleted(hosts: Hosts, family: str) -> None:
    hosts.send(ops.AddTable("mine", family), ops.AddChain("mine", "forward", "filter", 0, family))
    hosts.send(ops.FindTable("mine", family))
    assert f"table {family} mine" in hosts.execute(hosts.host, "nft", "list", "tables")
    hosts.send(ops.DeleteTable("mine", family))
    with pytest.raises(FileNotFoundError):
        hosts.send(ops.FindTable("mine", family))


def test_rules_of_ipv6_are_read_as_they_are_meant(hosts: Hosts) -> None:
    table, matches = (
        "mine",
        (ops.AddressMatch("saddr", "fd00:7::", 64), ops.ProtocolMatch("tcp"), ops.PortMatch(80)),
    )
    hosts.send(
        ops.AddTable(table, "ip6"),
        ops.AddChain(table, "prerouting", "nat", -100, "ip6"),
        ops.AddRule(table, "prerouting", matches, ops.DestinationNat("fd00:7::2", 8080), "ip6"),
        ops.AddRule(table, "prerouting", (ops.AddressMatch("daddr", "fd00:7::3", 128),), ops.Drop(), "ip6"),
    )
    rules = hosts.execute(hosts.host, "nft", "-s", "list", "chain", "ip6", table, "prerouting")
    assert "ip6 saddr fd00:7::/64 tcp dport 80 dnat to [fd00:7::2]:8080" in rules
    assert "ip6 daddr fd00:7::3 drop" in rules


def test_stateless_rewrites_are_read_as_they_are_meant(hosts: Hosts) -> None:
    hosts.inside(*REWRITE)
    rules = hosts.execute(hosts.container, "nft", "-s", "list", "ruleset")
    assert "ip daddr 127.0.0.11 udp dport 53 udp dport set 5353" in rules
    assert "ip saddr 127.0.0.11 tcp sport 5353 tcp sport set 53" in rules
    assert "ip daddr set 127.0.0.9" in rules


def test_further_interfaces_of_an_owner_have_names_of_their_own() -> None:
    owner, networks = secrets.token_hex(32), [secrets.token_hex(32) for _ in range(50)]
    names = {naming.veth_name(owner), *(naming.veth_name(owner, network) for network in networks)}
    assert (len(names), {len(name) for name in names}) == (51, {15})
