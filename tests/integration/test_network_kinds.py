"""Bridge networks of every kind on the real kernel: IPv6, options, names and addresses that are asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.netlab import (
    CLIENT_ADDRESS,
    CLIENT_ADDRESS6,
    HOST_ADDRESS,
    HOST_ADDRESS6,
    Lab,
    attach,
    create,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

ANY, ANY6 = "0.0.0.0", "::"
DUAL = {"name": "mine", "ipv6": True, "subnets": ["10.5.0.0/24", "fd00:5::/64"]}


@pytest.fixture
def lab(short_folder: str) -> Iterator[Lab]:
    made = Lab(short_folder)
    yield made
    made.close()


def ask(lab: Lab, netns: str, address: str, port: int = 80) -> str:
    return lab.ask(netns, "tcp", address, port)


def sysctl(lab: Lab, key: str, netns: str = "") -> str:
    return run("ip", "netns", "exec", netns or lab.host, "sysctl", "-n", key).strip()


# -- IPv6 ------------------------------------------------------------------------------------------
def test_containers_reach_each_other_by_both_families(lab: Lab) -> None:
    create(lab, **DUAL)
    server, client = attach(lab), attach(lab)
    lab.serve(server["netns"], "tcp", 80)
    lab.serve(server["netns"], "tcp", 81, ANY6)
    answers = ask(lab, client["netns"], server["address"]), ask(lab, client["netns"], server["address6"], 81)
    assert answers == (client["address"], client["address6"]) == ("10.5.0.3", "fd00:5::3")


def test_container_reaches_the_world_as_its_host_by_ipv6(lab: Lab) -> None:
    create(lab, ipv6=True)
    lab.serve(lab.client, "tcp", 80, ANY6)
    assert ask(lab, attach(lab)["netns"], CLIENT_ADDRESS6) == HOST_ADDRESS6


def test_network_may_be_of_ipv6_alone(lab: Lab) -> None:
    create(lab, ipv4=False, ipv6=True)
    lab.serve(lab.client, "tcp", 80, ANY6)
    container = attach(lab)
    assert ask(lab, container["netns"], CLIENT_ADDRESS6) == HOST_ADDRESS6
    assert "inet " not in lab.ip(container["netns"], "addr", "show", "eth0")


def test_nobody_beyond_reaches_a_container_by_its_ipv6_address(lab: Lab) -> None:
    create(lab, **DUAL)
    container = attach(lab)
    lab.serve(container["netns"], "tcp", 80, ANY6)
    lab.ip(lab.client, "-6", "route", "add", "fd00:5::/64", "via", HOST_ADDRESS6)
    answers = ask(lab, lab.client, container["address6"]), ask(lab, lab.host, container["address6"])
    assert answers == ("", "fd00:5::1")


def test_network_of_ipv4_has_no_ipv6_address_anywhere(lab: Lab) -> None:
    bridge = create(lab)["bridge"]
    container = attach(lab)
    links = lab.ip(lab.host, "addr", "show", bridge), lab.ip(container["netns"], "addr", "show", "eth0")
    assert ["inet6" in link for link in links] == [False, False]


def test_host_that_begins_to_forward_ipv6_keeps_what_routers_tell_it(lab: Lab) -> None:
    run("ip", "netns", "exec", lab.host, "sysctl", "-q", "-w", "net.ipv6.conf.lo.accept_ra=0")
    create(lab, ipv6=True)
    keys = ("all.forwarding", "up0.accept_ra", "default.accept_ra", "lo.accept_ra")
    assert [sysctl(lab, f"net.ipv6.conf.{key}") for key in keys] == ["1", "2", "2", "0"]


def test_host_that_forwards_ipv6_for_containers_is_no_router_for_others(lab: Lab) -> None:
    beyond = lab.beyond("198.18.6.1", "198.18.6.2")
    for name, number in ((lab.host, 1), (beyond, 2)):
        lab.ip(name, "addr", "add", f"fd00:198:18:6::{number}/64", "dev", "up1", "nodad")
    lab.ip(beyond, "-6", "route", "add", "default", "via", "fd00:198:18:6::1")
    lab.ip(lab.client, "-6", "route", "add", "fd00:198:18:6::/64", "via", HOST_ADDRESS6)
    lab.serve(lab.client, "tcp", 80, ANY6)
    create(lab, ipv6=True)
    refused = ask(lab, beyond, CLIENT_ADDRESS6)
    lab.nft("delete", "table", "ip6", "tuidock-forward")
    assert (refused, ask(lab, beyond, CLIENT_ADDRESS6)) == ("", "fd00:198:18:6::2")


def test_ipv6_subnet_avoids_a_route_of_the_host(lab: Lab) -> None:
    first = create(lab, ipv6=True)["subnet6"]
    lab.networks("remove", "mine")
    lab.ip(lab.host, "-6", "route", "add", first, "dev", "up0")
    second = create(lab, ipv6=True)["subnet6"]
    assert second not in {first, ""}


def test_removing_a_network_of_both_families_leaves_nothing(lab: Lab) -> None:
    create(lab, **{**DUAL, "name": "first"})  # the host forwards from now on, and is guarded
    lab.networks("remove", "first")
    before = lab.leftovers()
    create(lab, **DUAL)
    lab.networks("remove", "mine")
    assert lab.leftovers() == before


# -- options of a bridge ---------------------------------------------------------------------------
@pytest.mark.parametrize("filtered", ["0", "1"])
def test_containers_apart_reach_the_world_and_not_each_other(lab: Lab, filtered: str) -> None:
    create(lab, **DUAL, options={"com.docker.network.bridge.enable_icc": "false"})
    for family in ("iptables", "ip6tables"):
        run(
            "ip",
            "netns",
            "exec",
            lab.host,
            "sysctl",
            "-q",
            "-w",
            f"net.bridge.bridge-nf-call-{family}={filtered}",
        )
    server, client = attach(lab), attach(lab)
    for netns in (server["netns"], lab.client):
        lab.serve(netns, "tcp", 80)
        lab.serve(netns, "tcp", 81, ANY6)
    assert ask(lab, client["netns"], server["address"]) == ""
    assert ask(lab, client["netns"], server["address6"], 81) == ""
    assert ask(lab, client["netns"], CLIENT_ADDRESS) == HOST_ADDRESS
    assert ask(lab, client["netns"], CLIENT_ADDRESS6, 81) == HOST_ADDRESS6
    assert ask(lab, lab.host, server["address"]) == "10.5.0.1"


def test_containers_apart_do_not_reach_each_other_by_way_of_the_gateway(lab: Lab) -> None:
    create(lab, **DUAL, options={"com.docker.network.bridge.enable_icc": "false"})
    server, client = attach(lab), attach(lab)
    lab.serve(server["netns"], "tcp", 80)
    lab.ip(client["netns"], "route", "add", server["address"], "via", "10.5.0.1")
    assert ask(lab, client["netns"], server["address"]) == ""


def test_internal_network_has_no_way_out_by_ipv6_but_the_host_reaches_it(lab: Lab) -> None:
    create(lab, **DUAL, internal=True)
    container = attach(lab)
    lab.serve(lab.client, "tcp", 80, ANY6)
    lab.serve(container["netns"], "tcp", 80, ANY6)
    lab.ip(container["netns"], "-6", "route", "add", "default", "via", "fd00:5::1")
    answers = ask(lab, container["netns"], CLIENT_ADDRESS6), ask(lab, lab.host, container["address6"])
    assert answers == ("", "fd00:5::1")


def test_isolated_network_is_not_even_reached_by_the_host(lab: Lab) -> None:
    key = "com.docker.network.bridge.gateway_mode_ipv4"
    create(lab, subnets=["10.5.0.0/24"], internal=True, options={key: "isolated"})
    server, client = attach(lab), attach(lab)
    lab.serve(server["netns"], "tcp", 80)
    answers = ask(lab, client["netns"], server["address"]), ask(lab, lab.host, server["address"])
    assert answers == (client["address"], "")


def test_routed_containers_keep_their_addresses_and_are_reached_at_published_ports(lab: Lab) -> None:
    modes = {f"com.docker.network.bridge.gateway_mode_ipv{version}": "routed" for version in (4, 6)}
    create(lab, **DUAL, options=modes)
    ports = [{"container_port": port, "host_port": 8000 + port} for port in (80, 81)]
    container = attach(lab, ports=ports)
    for port, address in ((80, ANY), (81, ANY6), (82, ANY), (83, ANY6)):
        lab.serve(container["netns"], "tcp", port, address)
    lab.serve(lab.client, "tcp", 80)
    lab.ip(lab.client, "route", "add", "10.5.0.0/24", "via", HOST_ADDRESS)
    lab.ip(lab.client, "-6", "route", "add", "fd00:5::/64", "via", HOST_ADDRESS6)
    four, six = container["address"], container["address6"]
    assert ask(lab, container["netns"], CLIENT_ADDRESS) == four
    answers = [ask(lab, lab.client, *way) for way in ((four, 80), (six, 81), (four, 82), (six, 83))]
    assert answers == [CLIENT_ADDRESS, CLIENT_ADDRESS6, "", ""]


def test_source_address_of_what_leaves_may_be_chosen(lab: Lab) -> None:
    lab.ip(lab.host, "addr", "add", "198.18.5.9/24", "dev", "up0")
    create(lab, options={"com.docker.network.host_ipv4": "198.18.5.9"})
    lab.serve(lab.client, "tcp", 80)
    assert ask(lab, attach(lab)["netns"], CLIENT_ADDRESS) == "198.18.5.9"


def test_ports_that_name_no_address_are_published_where_the_network_says(lab: Lab) -> None:
    create(lab, options={"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"})
    ports = [{"container_port": 80, "host_port": 8080}, {"container_port": 81, "host_ip": HOST_ADDRESS}]
    assert [port["host_ip"] for port in attach(lab, ports=ports)["ports"]] == ["127.0.0.1", HOST_ADDRESS]


def test_name_mtu_and_interfaces_of_a_bridge_may_be_chosen(lab: Lab) -> None:
    options = {
        "com.docker.network.bridge.name": "lan0",
        "com.docker.network.driver.mtu": "1300",
        "com.docker.network.container_iface_prefix": "lan",
    }
    create(lab, options=options)
    container = attach(lab)
    links = lab.ip(lab.host, "link", "show", "lan0"), lab.ip(container["netns"], "link", "show", "lan0")
    assert ["mtu 1300 " in link for link in links] == [True, True]


def test_bridge_that_was_there_stays_when_the_network_goes(lab: Lab) -> None:
    lab.ip(lab.host, "link", "add", "lan0", "type", "bridge")
    create(lab, options={"com.docker.network.bridge.name": "lan0"})
    lab.networks("remove", "mine")
    assert "lan0" in lab.leftovers()[0]


@pytest.mark.parametrize(
    ("name", "words"),
    [("up0", "existing interface up0 is not a bridge"), ("lan0", "networks have same bridge name")],
)
def test_name_of_a_bridge_that_is_in_use_is_refused(lab: Lab, name: str, words: str) -> None:
    create(lab, name="first", options={"com.docker.network.bridge.name": "lan0"})
    with pytest.raises(AssertionError, match=words):
        create(lab, options={"com.docker.network.bridge.name": name})


def test_subnet_of_a_bridge_may_not_be_the_host_s_own(lab: Lab) -> None:
    with pytest.raises(AssertionError, match="Pool overlaps with other one on this address space"):
        create(lab, subnets=["198.18.5.128/25"])


def test_name_that_is_taken_is_said_before_the_subnet_that_is(lab: Lab) -> None:
    create(lab, subnets=["10.5.0.0/24"])
    with pytest.raises(AssertionError, match="network with name mine already exists"):
        create(lab, subnets=["10.5.0.0/24"])


def test_processes_that_race_for_one_name_leave_one_network(lab: Lab) -> None:
    def make(_: int) -> str:
        try:
            return str(create(lab)["id"])
        except AssertionError as error:
            return "already exists" if "network with name mine already exists" in str(error) else str(error)

    with ThreadPoolExecutor(8) as pool:
        made = sorted(pool.map(make, range(8)), key=len)
    bridges = lab.ip(lab.host, "-br", "link", "show", "type", "bridge").splitlines()
    assert (made[:7], len(bridges)) == (["already exists"] * 7, 1)


# -- addresses -------------------------------------------------------------------------------------
def test_addresses_that_are_asked_for_are_given_once(lab: Lab) -> None:
    create(lab, **DUAL)
    container = attach(lab, address="10.5.0.77", address6="fd00:5::77")
    shown = lab.ip(container["netns"], "addr", "show", "eth0")
    assert ("inet 10.5.0.77/24" in shown, "inet6 fd00:5::77/64" in shown) == (True, True)
    with pytest.raises(AssertionError, match="Address already in use"):
        attach(lab, address="10.5.0.77")


def test_reserved_addresses_are_not_leased(lab: Lab) -> None:
    create(lab, subnets=["10.5.0.0/24"], ip_ranges=["10.5.0.128/31"], auxiliary={"router": "10.5.0.128"})
    with pytest.raises(AssertionError, match=r"lease an address of 10\.5\.0\.128/31: all are in use"):
        attach(lab)


# -- inspect ---------------------------------------------------------------------------------------
def test_inspect_shows_everything_that_was_asked_for(lab: Lab) -> None:
    create(
        lab,
        **DUAL,
        ip_ranges=["10.5.0.128/25"],
        auxiliary={"router": "10.5.0.9", "other": "fd00:5::9"},
        options={"foo": "bar"},
        ipam_options={"some": "thing"},
        labels={"a": "b"},
        attachable=True,
    )
    container = attach(lab)
    shown = lab.networks("inspect", "mine")
    (inside,) = shown.pop("Containers").values()
    assert (inside["IPv4Address"], inside["IPv6Address"]) == ("10.5.0.129/24", "fd00:5::2/64")
    assert inside["MacAddress"] == container["mac_address"]
    for varied in ("Id", "Created"):
        shown.pop(varied)
    assert shown == SHOWN


SHOWN = {
    "Name": "mine",
    "Scope": "local",
    "Driver": "bridge",
    "EnableIPv4": True,
    "EnableIPv6": True,
    "IPAM": {
        "Driver": "default",
        "Options": {"some": "thing"},
        "Config": [
            {
                "Subnet": "10.5.0.0/24",
                "IPRange": "10.5.0.128/25",
                "Gateway": "10.5.0.128",
                "AuxiliaryAddresses": {"router": "10.5.0.9"},
            },
            {
                "Subnet": "fd00:5::/64",
                "Gateway": "fd00:5::1",
                "AuxiliaryAddresses": {"other": "fd00:5::9"},
            },
        ],
    },
    "Internal": False,
    "Attachable": True,
    "Ingress": False,
    "ConfigFrom": {"Network": ""},
    "ConfigOnly": False,
    "Options": {"foo": "bar"},
    "Labels": {"a": "b"},
}
