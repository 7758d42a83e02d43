"""Bridge networks and published ports on the real kernel, between namespaces."""

from __future__ import annotations

import json
import secrets
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.netlab import CLIENT_ADDRESS, HOST_ADDRESS, UPLINK_MTU, Lab, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

WEB = {"container_port": 80, "host_port": 8080}


@pytest.fixture
def lab(short_folder: str) -> Iterator[Lab]:
    made = Lab(short_folder)
    yield made
    made.close()


def owner() -> str:
    return secrets.token_hex(32)


def address_of(attachment: dict[str, Any]) -> str:
    return str(attachment["endpoints"][0]["address"])


def test_a_container_reaches_the_world_as_its_host(lab: Lab) -> None:
    container = lab.attach(owner())
    lab.serve(lab.client, "tcp", 9000)
    assert lab.ask(container["netns"], "tcp", CLIENT_ADDRESS, 9000) == HOST_ADDRESS


def test_containers_of_one_network_see_each_other_unmasked(lab: Lab) -> None:
    server, client = lab.attach(owner()), lab.attach(owner())
    lab.serve(server["netns"], "tcp", 80)
    assert lab.ask(client["netns"], "tcp", address_of(server), 80) == address_of(client)


@pytest.fixture
def web(lab: Lab) -> dict[str, Any]:
    container = lab.attach(owner(), ports=[WEB, {**WEB, "protocol": "udp"}])
    lab.serve(container["netns"], "tcp", 80)
    lab.serve(container["netns"], "udp", 80)
    return container


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_published_port_shows_the_client_beyond_the_host(
    lab: Lab, web: dict[str, Any], protocol: str
) -> None:
    assert lab.ask(lab.client, protocol, HOST_ADDRESS, 8080) == CLIENT_ADDRESS


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_published_port_answers_at_the_host_s_own_address(
    lab: Lab, web: dict[str, Any], protocol: str
) -> None:
    assert lab.ask(lab.host, protocol, HOST_ADDRESS, 8080) == HOST_ADDRESS


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_published_port_answers_at_127_0_0_1(lab: Lab, web: dict[str, Any], protocol: str) -> None:
    assert lab.ask(lab.host, protocol, "127.0.0.1", 8080) == "172.17.0.1"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_container_reaches_itself_by_its_published_port(
    lab: Lab, web: dict[str, Any], protocol: str
) -> None:
    assert lab.ask(web["netns"], protocol, HOST_ADDRESS, 8080) == "172.17.0.1"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_neighbour_reaches_a_published_port(lab: Lab, web: dict[str, Any], protocol: str) -> None:
    neighbour = lab.attach(owner())
    assert lab.ask(neighbour["netns"], protocol, HOST_ADDRESS, 8080) == "172.17.0.1"


def test_a_container_of_another_network_reaches_a_published_port(lab: Lab, web: dict[str, Any]) -> None:
    lab.networks("create", json.dumps({"name": "other"}))
    other = lab.attach(owner(), network="other")
    assert lab.ask(other["netns"], "tcp", HOST_ADDRESS, 8080)


def test_a_container_of_another_network_reaches_no_other_port(lab: Lab, web: dict[str, Any]) -> None:
    lab.networks("create", json.dumps({"name": "other"}))
    other = lab.attach(owner(), network="other")
    assert lab.ask(other["netns"], "tcp", address_of(web), 80) == ""


def test_a_client_with_a_route_reaches_no_port_that_is_not_published(lab: Lab, web: dict[str, Any]) -> None:
    lab.ip(lab.client, "route", "add", "172.17.0.0/16", "via", HOST_ADDRESS)
    assert lab.ask(lab.client, "tcp", address_of(web), 80) == ""


def test_a_host_that_was_no_router_does_not_become_one(lab: Lab) -> None:
    beyond = lab.beyond("198.18.6.1", "198.18.6.2")
    lab.ip(lab.client, "route", "add", "198.18.6.0/24", "via", HOST_ADDRESS)
    lab.serve(beyond, "tcp", 9000)
    lab.serve(lab.client, "tcp", 9000)
    container = lab.attach(owner())
    assert lab.ask(lab.host, "tcp", "198.18.6.2", 9000) == "198.18.6.1"
    assert lab.ask(lab.client, "tcp", "198.18.6.2", 9000) == ""
    assert lab.ask(beyond, "tcp", CLIENT_ADDRESS, 9000) == ""
    assert lab.ask(container["netns"], "tcp", "198.18.6.2", 9000) == "198.18.6.1"
    assert lab.ask(container["netns"], "tcp", CLIENT_ADDRESS, 9000) == HOST_ADDRESS


def test_a_host_that_is_a_router_remains_one(lab: Lab) -> None:
    run("ip", "netns", "exec", lab.host, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    beyond = lab.beyond("198.18.6.1", "198.18.6.2")
    lab.ip(lab.client, "route", "add", "198.18.6.0/24", "via", HOST_ADDRESS)
    lab.serve(beyond, "tcp", 9000)
    lab.attach(owner())
    assert lab.ask(lab.client, "tcp", "198.18.6.2", 9000) == CLIENT_ADDRESS


def test_other_ports_of_the_host_are_not_taken(lab: Lab, web: dict[str, Any]) -> None:
    lab.serve(lab.host, "tcp", 8081)
    assert lab.ask(lab.client, "tcp", HOST_ADDRESS, 8081) == CLIENT_ADDRESS


def test_a_container_reaches_the_same_port_of_others(lab: Lab, web: dict[str, Any]) -> None:
    lab.serve(lab.client, "tcp", 8080)
    assert lab.ask(web["netns"], "tcp", CLIENT_ADDRESS, 8080) == HOST_ADDRESS


def test_a_port_published_on_loopback_is_for_the_host_only(lab: Lab) -> None:
    container = lab.attach(owner(), ports=[{**WEB, "host_ip": "127.0.0.1"}])
    lab.serve(container["netns"], "tcp", 80)
    answers = lab.ask(lab.host, "tcp", "127.0.0.1", 8080), lab.ask(lab.client, "tcp", HOST_ADDRESS, 8080)
    assert answers == ("172.17.0.1", "")


def test_a_port_published_on_one_address_answers_there_only(lab: Lab) -> None:
    lab.ip(lab.host, "addr", "add", "198.18.5.7/24", "dev", "up0")
    container = lab.attach(owner(), ports=[{**WEB, "host_ip": "198.18.5.7"}])
    lab.serve(container["netns"], "tcp", 80)
    answers = lab.ask(lab.client, "tcp", "198.18.5.7", 8080), lab.ask(lab.client, "tcp", HOST_ADDRESS, 8080)
    assert answers == (CLIENT_ADDRESS, "")


def test_a_container_cannot_reach_the_host_s_loopback(lab: Lab) -> None:
    container = lab.attach(owner())
    lab.serve(lab.host, "tcp", 9000, "127.0.0.1")
    netns = container["netns"]
    run("ip", "netns", "exec", netns, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet")
    lab.ip(netns, "addr", "del", "127.0.0.1/8", "dev", "lo")
    lab.ip(netns, "route", "add", "127.0.0.1", "via", "172.17.0.1")
    guarded = lab.ask(netns, "tcp", "127.0.0.1", 9000)
    table = f"tuidock-{lab.networks('list')[0]['bridge']}"
    lab.nft("flush", "chain", "ip", table, "prerouting")
    assert (guarded, lab.ask(netns, "tcp", "127.0.0.1", 9000)) == ("", address_of(container))


def test_an_internal_network_has_no_way_out(lab: Lab) -> None:
    lab.networks("create", json.dumps({"name": "inside", "internal": True}))
    one, two = lab.attach(owner(), network="inside"), lab.attach(owner(), network="inside")
    lab.serve(lab.client, "tcp", 9000)
    lab.serve(two["netns"], "tcp", 80)
    lab.ip(one["netns"], "route", "add", "default", "dev", "eth0")
    answers = (
        lab.ask(one["netns"], "tcp", CLIENT_ADDRESS, 9000),
        lab.ask(one["netns"], "tcp", address_of(two), 80),
    )
    assert answers == ("", address_of(one))


def test_teardown_leaves_only_the_bridge(lab: Lab) -> None:
    lab.networks("create", json.dumps({"name": "other"}))  # the bridge without ever a container
    before = lab.leftovers()
    published = owner()
    lab.detach(lab.attach(published, network="other", ports=[WEB]), published)
    patience = time.monotonic() + 5
    while lab.leftovers() != before and time.monotonic() < patience:
        time.sleep(0.05)
    assert lab.leftovers() == before


def test_teardown_twice_is_fine(lab: Lab) -> None:
    one = owner()
    attachment = lab.attach(one, ports=[WEB])
    lab.detach(attachment, one)
    lab.detach(attachment, one)


def test_a_container_that_was_killed_without_teardown_starts_again(lab: Lab) -> None:
    one = owner()
    lab.attach(one, ports=[WEB])
    again = lab.attach(one, ports=[WEB])
    lab.serve(again["netns"], "tcp", 80)
    assert lab.ask(lab.client, "tcp", HOST_ADDRESS, 8080) == CLIENT_ADDRESS


def test_who_joined_the_namespace_loses_the_address_with_its_owner(lab: Lab) -> None:
    one, neighbour = owner(), lab.attach(owner())
    joined = lab.attach(one)
    lab.serve(joined["netns"], "tcp", 80)
    before = lab.ask(neighbour["netns"], "tcp", address_of(joined), 80)
    lab.python(lab.host, "send", json.dumps(joined["bundle"]["teardown"]))
    assert (before, lab.ask(neighbour["netns"], "tcp", address_of(joined), 80)) == (address_of(neighbour), "")


def test_processes_that_race_for_the_first_bridge_all_win(lab: Lab) -> None:
    with ThreadPoolExecutor(6) as pool:
        attachments = list(pool.map(lambda _: lab.attach(owner()), range(6)))
    bridges = lab.ip(lab.host, "-br", "link", "show", "type", "bridge").splitlines()
    assert (len({address_of(attachment) for attachment in attachments}), len(bridges)) == (6, 1)


def test_without_the_capability_it_says_what_is_needed(lab: Lab) -> None:
    said = lab.refused_networks("create", json.dumps({"name": "mine"}))
    assert "make bridge br-" in said
    assert said.endswith("of network mine: permission denied")
    assert [network["name"] for network in lab.networks("list")] == ["bridge", "host", "none"]


def test_network_with_a_running_container_is_kept(lab: Lab) -> None:
    lab.networks("create", json.dumps({"name": "mine"}))
    lab.attach(owner(), network="mine")
    with pytest.raises(AssertionError, match="active endpoints"):
        lab.networks("remove", "mine")


def test_network_whose_containers_have_ended_is_removed(lab: Lab) -> None:
    lab.networks("create", json.dumps({"name": "mine"}))
    container = lab.attach(owner(), network="mine")
    lab.python(lab.host, "send", json.dumps(container["bundle"]["teardown"]))
    assert lab.networks("remove", "mine") is None


def test_removing_a_network_leaves_nothing(lab: Lab) -> None:
    lab.networks("create", json.dumps({"name": "first"}))  # the host forwards from now on, and is guarded
    lab.networks("remove", "first")
    before = lab.leftovers()
    lab.networks("create", json.dumps({"name": "mine"}))
    lab.networks("remove", "mine")
    assert lab.leftovers() == before


def test_a_bridge_that_somebody_deleted_is_made_again(lab: Lab) -> None:
    lab.attach(owner())
    lab.ip(lab.host, "link", "del", lab.networks("list")[0]["bridge"])
    container = lab.attach(owner())
    lab.serve(lab.client, "tcp", 9000)
    assert lab.ask(container["netns"], "tcp", CLIENT_ADDRESS, 9000) == HOST_ADDRESS


def test_rules_that_a_firewall_reload_flushed_are_made_again(lab: Lab) -> None:
    lab.attach(owner())
    lab.nft("flush", "ruleset")
    container = lab.attach(owner())
    lab.serve(lab.client, "tcp", 9000)
    assert lab.ask(container["netns"], "tcp", CLIENT_ADDRESS, 9000) == HOST_ADDRESS


def test_the_default_subnet_avoids_a_route_of_the_host(lab: Lab) -> None:
    lab.ip(lab.host, "route", "add", "172.17.9.0/24", "dev", "up0")
    assert address_of(lab.attach(owner())) == "172.18.0.2"


def test_the_default_subnet_avoids_a_route_in_another_table(lab: Lab) -> None:
    lab.ip(lab.host, "route", "add", "172.17.9.0/24", "dev", "up0", "table", "51820")
    assert address_of(lab.attach(owner())) == "172.18.0.2"


def test_the_default_network_moves_when_the_host_got_its_subnet_as_a_route(lab: Lab) -> None:
    one = owner()
    lab.detach(lab.attach(one), one)
    lab.ip(lab.host, "link", "del", lab.networks("list")[0]["bridge"])
    lab.ip(lab.host, "route", "add", "172.17.0.0/24", "dev", "up0")
    assert address_of(lab.attach(owner())) == "172.18.0.2"


def test_a_container_gets_an_address_of_the_subnet_that_its_network_has_moved_to(lab: Lab) -> None:
    one = owner()
    container = lab.attach(one)  # killed: its lease is still there
    run("ip", "netns", "del", container["netns"])
    database = sqlite3.connect(f"{lab.root}/root/tuidock.db")
    database.execute("UPDATE lease SET leased = 0")
    database.commit()
    database.close()
    lab.ip(lab.host, "link", "del", lab.networks("list")[0]["bridge"])
    lab.ip(lab.host, "route", "add", "172.17.0.0/24", "dev", "up0")
    assert address_of(lab.attach(one)) == "172.18.0.2"


def test_interfaces_have_the_uplink_s_mtu(lab: Lab) -> None:
    container = lab.attach(owner())
    links = (
        lab.ip(container["netns"], "link", "show", "eth0"),
        lab.ip(lab.host, "link", "show", "type", "bridge"),
    )
    assert [f"mtu {UPLINK_MTU} " in link for link in links] == [True, True]


def test_the_interface_has_docker_s_mac(lab: Lab) -> None:
    container = lab.attach(owner())
    assert "02:42:ac:11:00:02" in lab.ip(container["netns"], "link", "show", "eth0")


def test_the_kernel_reads_the_rules_as_they_are_meant(lab: Lab) -> None:
    one = owner()
    lab.attach(one, ports=[WEB])
    bridge = lab.networks("list")[0]["bridge"]
    rules = lab.nft("-s", "list", "ruleset").replace(bridge, "BRIDGE").replace(one[:12], "CONTAINER")
    assert rules == RULES


def test_no_process_needs_pyroute2_once_the_shapes_are_known(lab: Lab) -> None:
    lab.attach(owner(), ports=[WEB])
    code = (
        "import sys; from tests.support import netlab_program as lab; "
        f"lab.attach({lab.root!r}, {owner()!r}, '{{\"ports\": [{{\"container_port\": 90}}]}}', '/proc/self/ns/net');"
        "raise SystemExit(int('pyroute2' in sys.modules))"
    )

    run("ip", "netns", "exec", lab.host, sys.executable, "-c", code)


def test_a_taken_port_is_refused_by_name(lab: Lab) -> None:
    lab.serve(lab.host, "tcp", 8080)
    with pytest.raises(AssertionError, match=r"Bind for 0\.0\.0\.0:8080 failed: port is already allocated"):
        lab.attach(owner(), ports=[WEB])


RULES = """\
table ip tuidock-forward {
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname != "up0" accept
		oifname != "up0" accept
		drop
	}
}
table ip tuidock-CONTAINER {
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		tcp dport 8080 fib daddr type local dnat to 172.17.0.2:80
	}

	chain output {
		type nat hook output priority -100; policy accept;
		tcp dport 8080 fib daddr type local dnat to 172.17.0.2:80
	}
}
table ip tuidock-BRIDGE {
	chain prerouting {
		type filter hook prerouting priority raw; policy accept;
		iifname "BRIDGE" ip daddr 127.0.0.0/8 drop
		iifname "BRIDGE" ip saddr 127.0.0.0/8 drop
	}

	chain forward {
		type filter hook forward priority filter; policy accept;
		oifname "BRIDGE" ct state established,related accept
		oifname "BRIDGE" ct status dnat accept
		oifname "BRIDGE" iifname != "BRIDGE" drop
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "BRIDGE" ct status dnat ip saddr 127.0.0.0/8 masquerade
		oifname "BRIDGE" ct status dnat ip saddr 172.17.0.0/16 masquerade
		oifname != "BRIDGE" ip saddr 172.17.0.0/16 masquerade
	}
}
"""
