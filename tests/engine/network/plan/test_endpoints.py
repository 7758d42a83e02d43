"""Plans of a container's ends by value: starts in any number of networks, and changes while it runs."""

from __future__ import annotations

import msgspec
import pytest

from engine.network.plan import naming
from engine.network.plan import operations as ops
from engine.network.plan.endpoints import (
    ChangePlan,
    Place,
    change_plan,
    endpoint_plan,
    gateway_place,
    published_addresses,
)
from engine.records import Endpoint, Network, PortBinding

OWNER = "0123456789abcdef" * 4
FIRST, SECOND = "veth0123456789a", "vethaaaaaaaaaaa"
TABLE = "tuidock-0123456789ab"


def place(name: str, number: int, *, driver: str = "bridge", priority: int = 0, **fields: object) -> Place:
    """An end with the interface eth``number`` in the network ``name``, IPv4 10.``number``."""
    network = Network(
        id=name * 32,
        name=name,
        driver=driver,
        created=1,
        subnet=f"10.{number}.0.0/16",
        bridge=f"br-{name}" if driver == "bridge" else "",
        parent="" if driver == "bridge" else "up0",
    )
    endpoint = Endpoint(
        network=name,
        network_id=network.id,
        driver=driver,
        address=f"10.{number}.0.2",
        prefix_length=16,
        gateway=f"10.{number}.0.1",
        mac_address=f"02:42:0a:0{number}:00:02",
        interface=f"eth{number}",
        host_interface=FIRST if number == 0 else SECOND,
    )
    return Place(
        network=network, endpoint=msgspec.structs.replace(endpoint, **fields), mtu=1400, priority=priority
    )


def own_end(number: int) -> tuple[ops.Operation, ...]:
    """What the container's side of ``place(…, number)`` is."""
    name = f"eth{number}"
    return (
        ops.SetSysctl(f"net/ipv6/conf/{name}/disable_ipv6", "1"),
        ops.AddAddress(name, f"10.{number}.0.2", f"10.{number}.255.255", 16),
        ops.SetUp(name),
    )


def veth(number: int) -> tuple[ops.Operation, ...]:
    """What the host's side is."""
    name, bridge = (FIRST, "br-aa") if number == 0 else (SECOND, "br-bb")
    return (ops.AddVeth(name, bridge, f"02:42:0a:0{number}:00:02", 1400, f"eth{number}"), ops.SetPort(name))


A, B = place("aa", 0), place("bb", 1)
PORTS = (PortBinding(container_port=80, host_port=8080, host_ip="192.0.2.7"),)


def test_every_network_has_an_end_and_the_first_by_name_the_way_out():
    assert endpoint_plan(OWNER, (A, B)) == ops.EndpointPlan(
        host=(*veth(0), *veth(1)),
        container=(ops.SetUp("lo"), *own_end(0), *own_end(1), ops.AddDefaultRoute("10.0.0.1")),
        teardown=(ops.Unplug(FIRST), ops.Unplug(SECOND)),
    )


def test_without_a_network_there_is_a_loopback_interface():
    assert endpoint_plan(OWNER, ()) == ops.EndpointPlan(container=(ops.SetUp("lo"),))


def test_an_end_of_both_families_has_a_way_out_of_each():
    both = place("aa", 0, address6="fd00::2", prefix_length6=64, gateway6="fd00::1")
    assert endpoint_plan(OWNER, (both,)).container == (
        ops.SetUp("lo"),
        ops.SetSysctl("net/ipv6/conf/eth0/disable_ipv6", "0"),
        ops.AddAddress("eth0", "10.0.0.2", "10.0.255.255", 16),
        ops.AddAddress("eth0", "fd00::2", "", 64),
        ops.SetUp("eth0"),
        ops.AddDefaultRoute("10.0.0.1"),
        ops.AddDefaultRoute("fd00::1"),
    )


def test_a_macvlan_is_born_in_the_container_and_goes_with_it():
    made = endpoint_plan(OWNER, (place("aa", 0, driver="macvlan"),), PORTS)
    mac = "02:42:0a:00:00:02"
    assert (made.host, made.teardown) == (
        (ops.AddSubinterface("macvlan", "up0", "eth0", "bridge", "", mac, 1400),),
        (),
    )


def test_an_ipvlan_of_layer_3_leads_out_without_a_gateway():
    one = place("aa", 0, driver="ipvlan", gateway="", mac_address="")
    network = msgspec.structs.replace(one.network, options={"ipvlan_mode": "l3"})
    made = endpoint_plan(OWNER, (msgspec.structs.replace(one, network=network),))
    assert made.container[-1] == ops.AddRoute("0.0.0.0", 0, "", "eth0")


@pytest.mark.parametrize(
    ("places", "name"),
    [
        ((B, A), "aa"),
        ((A, place("bb", 1, priority=1)), "bb"),
        ((place("aa", 0, priority=-1), B), "bb"),
        ((place("aa", 0, gateway=""), B), "bb"),
        ((place("aa", 0, address=""), B), "bb"),
    ],
)
def test_the_way_out_is_by_priority_then_by_name(places, name):
    chosen = gateway_place(places, 4)
    assert chosen is not None
    assert chosen.network.name == name


def test_an_internal_network_leads_nowhere():
    network = msgspec.structs.replace(A.network, internal=True)
    assert gateway_place((msgspec.structs.replace(A, network=network),), 4) is None


def test_ports_lead_nowhere_if_the_way_out_is_no_bridge():
    assert published_addresses((place("aa", 0, driver="macvlan"), B)) == ("", "")


def test_a_network_that_is_joined_behind_the_way_out_changes_nothing_else():
    assert change_plan(OWNER, (A,), (A, B), (PORTS, PORTS)) == ChangePlan(
        host=veth(1), container=own_end(1), undo=(ops.DeleteLink(SECOND),)
    )


def test_a_network_that_is_joined_before_the_way_out_takes_it_and_the_ports():
    made = change_plan(OWNER, (B,), (B, A), (PORTS, PORTS))
    rules = [rule for rule in made.host if isinstance(rule, ops.AddRule)]
    assert made.host[2] == ops.ReplaceTable(TABLE)
    assert {rule.verdict for rule in rules} == {ops.DestinationNat("10.0.0.2", 80)}
    assert made.container[-1] == ops.AddRoute("0.0.0.0", 0, "10.0.0.1", replace=True)
    undone = {rule.verdict for rule in made.undo if isinstance(rule, ops.AddRule)}
    assert (made.undo[0], undone) == (ops.DeleteLink(FIRST), {ops.DestinationNat("10.1.0.2", 80)})


def test_the_way_out_moves_before_its_network_is_left():
    assert change_plan(OWNER, (A, B), (B,), ((), ())) == ChangePlan(
        container=(ops.AddRoute("0.0.0.0", 0, "10.1.0.1", replace=True),), after=(ops.DeleteLink(FIRST),)
    )


def test_the_last_network_takes_the_ports_along():
    made = change_plan(OWNER, (A,), (), (PORTS, ()))
    assert (made.host, made.after) == ((ops.DeleteTable(TABLE),), (ops.DeleteLink(FIRST),))


def test_a_macvlan_is_left_from_inside():
    made = change_plan(OWNER, (A, place("bb", 1, driver="macvlan")), (A,), ((), ()))
    assert made == ChangePlan(container=(ops.DeleteLink("eth1"),))


def test_published_ports_of_all_addresses_lead_to_the_end_and_go_before_it():
    ports = (PortBinding(container_port=80, host_port=8080, host_ip="0.0.0.0"),)
    made = endpoint_plan(OWNER, (A,), ports)
    assert made.host[:3] == (*veth(0), ops.AddTable(TABLE))
    rules = [rule for rule in made.host if isinstance(rule, ops.AddRule)]
    assert {rule.verdict for rule in rules} == {ops.DestinationNat("10.0.0.2", 80)}
    assert {rule.chain for rule in rules} == {"prerouting", "output"}
    assert made.teardown == (ops.DeleteTable(TABLE), ops.Unplug(FIRST))


def test_a_port_of_loopback_is_not_taken_from_elsewhere():
    ports = (PortBinding(container_port=80, host_port=80, host_ip="127.0.0.1"),)
    made = endpoint_plan(OWNER, (A,), ports)
    assert {rule.chain for rule in made.host if isinstance(rule, ops.AddRule)} == {"output"}


def test_names_fit_the_kernel():
    further = naming.veth_name(OWNER, "f" * 64)
    assert (len(naming.veth_name(OWNER)), len(further)) == (15, 15)
    assert naming.container_table(OWNER) == TABLE
