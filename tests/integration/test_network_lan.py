"""macvlan and ipvlan on the real kernel: containers that are hosts of a LAN, and what becomes of parents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.netlab import CLIENT_ADDRESS, CLIENT_ADDRESS6, Lab, attach, create, makes, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

ANY6 = "::"
LAN = {
    "ipv6": True,
    "subnets": ["198.18.5.0/24", "fd00:198:18:5::/64"],
    "gateways": ["198.18.5.254"],
    "ip_ranges": ["198.18.5.64/26", "fd00:198:18:5::64:0/112"],
}


@pytest.fixture
def lab(short_folder: str) -> Iterator[Lab]:
    made = Lab(short_folder)
    yield made
    made.close()


def ask(lab: Lab, netns: str, address: str) -> str:
    return lab.ask(netns, "tcp", address, 80)


def test_macvlan_containers_are_hosts_of_the_lan(lab: Lab) -> None:
    create(lab, driver="macvlan", **LAN, options={"parent": "up0"})
    server, client = attach(lab), attach(lab)
    lab.serve(server["netns"], "tcp", 80, ANY6)
    lab.serve(lab.client, "tcp", 80)
    assert ask(lab, lab.client, server["address6"]) == CLIENT_ADDRESS6
    assert ask(lab, client["netns"], CLIENT_ADDRESS) == client["address"]
    assert ask(lab, client["netns"], server["address6"]) == client["address6"]


def test_private_macvlan_containers_reach_the_lan_and_not_each_other(lab: Lab) -> None:
    create(lab, driver="macvlan", **LAN, options={"parent": "up0", "macvlan_mode": "private"})
    server, client = attach(lab), attach(lab)
    lab.serve(server["netns"], "tcp", 80)
    answers = ask(lab, lab.client, server["address"]), ask(lab, client["netns"], server["address"])
    assert answers == (CLIENT_ADDRESS, "")


def test_macvlan_without_ipv6_hears_no_router_of_the_lan(lab: Lab) -> None:
    create(lab, driver="macvlan", options={"parent": "up0"})
    netns = attach(lab)["netns"]
    disabled = run("ip", "netns", "exec", netns, "sysctl", "-n", "net.ipv6.conf.eth0.disable_ipv6")
    assert disabled == "1\n"


@pytest.mark.parametrize("driver", ["macvlan", "ipvlan"])
def test_parent_in_use_is_refused_in_docker_s_words(lab: Lab, driver: str) -> None:
    create(lab, name="first", driver="macvlan", options={"parent": "up0"})
    with pytest.raises(AssertionError, match="network first is already using parent interface up0"):
        create(lab, driver=driver, options={"parent": "up0"})


def test_removing_a_macvlan_leaves_the_parent_that_was_there(lab: Lab) -> None:
    before = lab.leftovers()
    create(lab, driver="macvlan", options={"parent": "up0"})
    lab.networks("remove", "mine")
    assert lab.leftovers() == before


@pytest.mark.skipif(not makes("vlan"), reason="this kernel has no 802.1Q")
def test_vlan_comes_and_goes_with_its_network(lab: Lab) -> None:
    create(lab, driver="macvlan", options={"parent": "up0.50"})
    made = "up0.50" in lab.ip(lab.host, "link", "show", "type", "vlan")
    lab.networks("remove", "mine")
    assert (made, "up0.50" in lab.ip(lab.host, "link", "show", "type", "vlan")) == (True, False)


@pytest.mark.skipif(not makes("dummy"), reason="this kernel has no dummy interfaces")
def test_macvlan_without_a_parent_is_for_its_containers_alone(lab: Lab) -> None:
    made = create(lab, driver="macvlan", subnets=["10.5.0.0/24"])
    server, client = attach(lab), attach(lab)
    lab.serve(server["netns"], "tcp", 80)
    assert ask(lab, client["netns"], server["address"]) == client["address"]
    assert (made["internal"], made["parent"]) == (True, f"dm-{made['id'][:12]}")


@pytest.mark.skipif(not makes("ipvlan"), reason="this kernel has no ipvlan")
@pytest.mark.parametrize("mode", ["l2", "l3", "l3s"])
def test_ipvlan_containers_are_hosts_of_the_lan(lab: Lab, mode: str) -> None:
    create(lab, driver="ipvlan", subnets=["198.18.5.0/24"], options={"parent": "up0", "ipvlan_mode": mode})
    server, client = attach(lab, address="198.18.5.77"), attach(lab, address="198.18.5.78")
    lab.serve(server["netns"], "tcp", 80)
    lab.ip(lab.client, "neigh", "replace", "198.18.5.77", "dev", "up0", "lladdr", mac(lab))
    answers = ask(lab, lab.client, "198.18.5.77"), ask(lab, client["netns"], "198.18.5.77")
    assert answers == (CLIENT_ADDRESS, "198.18.5.78")


def mac(lab: Lab) -> str:
    """The parent's, which every ipvlan has; l3 answers no ARP."""
    shown = json.loads(lab.ip(lab.host, "-j", "link", "show", "up0"))
    return str(shown[0]["address"])
