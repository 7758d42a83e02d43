"""Containers in several networks: what they get, what is shown and told of it."""

from __future__ import annotations

import pytest

from engine.errors import EngineError, InvalidInput, NotFound
from engine.options import ContainerFilter, EndpointOptions, EventFilter
from tests.support.containers import sh, started
from tests.support.members import FIXED, FIXED6, addresses, inside, links, member, recorded, ways_out

pytestmark = pytest.mark.root


# -- a start in several networks ---------------------------------------------------------------------
async def test_each_network_has_an_interface_in_the_order_wished_for(engine, inside_network):
    made = await started(engine, member("bb", "aa", "inside"))
    assert links(made) == recorded(made)
    assert [end.network for end in made.endpoints] == ["bb", "aa", "inside"]
    assert list(links(made)) == ["eth0", "eth1", "eth2"]


async def test_the_way_out_is_that_of_the_first_name(engine, inside_network):
    made = await started(engine, member("inside", "bb", "aa"))
    assert ways_out(made) == ["eth2", "eth2"]


async def test_the_way_out_is_that_of_the_highest_priority_for_each_family(engine, two_networks):
    made = await started(engine, member("aa", EndpointOptions(network="bb", gateway_priority=1)))
    assert ways_out(made) == ["eth1", "eth0"]


async def test_an_internal_network_is_no_way_out(engine, inside_network):
    made = await started(engine, member("inside"))
    assert ways_out(made) == ["", ""]


async def test_wished_addresses_are_given(engine, two_networks):
    wish = EndpointOptions(
        network="aa",
        address=f"{FIXED}.77",
        address6=f"{FIXED6}77",
        mac_address="02:42:00:00:00:77",
        link_local=("169.254.7.7",),
    )
    made = await started(engine, member(wish))
    assert links(made) == {"eth0": [f"{FIXED}.77", f"{FIXED6}77"]}
    shown = inside(made, "ip", "address", "show", "eth0")
    assert "link/ether 02:42:00:00:00:77" in shown
    assert "inet 169.254.7.7/16" in shown


async def test_an_address_in_use_is_refused_until_its_container_stops(engine, two_networks):
    wish = EndpointOptions(network="aa", address=f"{FIXED}.77")
    first = await started(engine, member(wish))
    second = await engine.containers.create(member(wish))
    with pytest.raises(EngineError, match="Address already in use"):
        await engine.containers.start(second.id)
    await engine.containers.stop(first.id, 0)
    await engine.containers.start(second.id)
    assert (await engine.containers.get(second.id)).endpoints[0].address == f"{FIXED}.77"


async def test_an_address_of_a_subnet_that_nobody_chose_is_refused_at_the_start(engine, two_networks):
    made = await engine.containers.create(member(EndpointOptions(network="bb", address="172.30.0.9")))
    with pytest.raises(InvalidInput, match="networks with user configured subnets"):
        await engine.containers.start(made.id)


async def test_an_interface_has_the_name_and_the_settings_wished_for(engine, two_networks):
    options = {
        "com.docker.network.endpoint.ifname": "uplink",
        "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1",
    }
    made = await started(engine, member(EndpointOptions(network="bb", driver_options=options), "aa"))
    assert list(links(made)) == ["uplink", "eth0"]
    assert inside(made, "sysctl", "-n", "net.ipv4.conf.uplink.log_martians") == "1\n"


async def test_two_interfaces_of_one_name_are_refused(engine, two_networks):
    options = {"com.docker.network.endpoint.ifname": "eth0"}
    wishes = "bb", EndpointOptions(network="aa", driver_options=options)
    made = await engine.containers.create(member(*wishes))
    with pytest.raises(InvalidInput, match="an interface eth0 already"):
        await engine.containers.start(made.id)
    assert await addresses(engine, "aa") == []


async def test_a_network_is_looked_for_at_the_start(engine, busybox_image):
    made = await engine.containers.create(sh("true", network="nosuch"))
    with pytest.raises(NotFound, match="network nosuch not found"):
        await engine.containers.start(made.id)
    assert (await engine.containers.get(made.id)).state.status == "created"


# -- what is told -------------------------------------------------------------------------------------------
async def test_events_tell_of_each_network(engine, two_networks):
    made = await started(engine, member("bb"))
    await engine.containers.connect(made.id, EndpointOptions(network="aa"))
    await engine.containers.disconnect(made.id, "bb")
    await engine.containers.stop(made.id, 0)
    filters = {"type": ("network",), "event": ("connect", "disconnect")}
    told = [
        (event.action, event.attributes["name"], event.attributes["type"])
        async for event in engine.events(EventFilter(follow=False, filters=filters))
        if event.attributes["container"] == made.id
    ]
    assert told == [
        ("connect", "bb", "bridge"),
        ("connect", "aa", "bridge"),
        ("disconnect", "bb", "bridge"),
        ("disconnect", "aa", "bridge"),
    ]


async def test_inspect_shows_each_network_as_it_is_and_as_it_was_wished_for(engine, two_networks):
    wish = EndpointOptions(network="aa", address=f"{FIXED}.77", aliases=("svc",), gateway_priority=3)
    made = await started(engine, member("bb", wish, name="box", hostname="h"))
    await engine.containers.rename("box", "case")
    settings = (await engine.containers.inspect(made.id))["NetworkSettings"]
    assert list(settings["Networks"]) == ["bb", "aa"]
    shown = settings["Networks"]["aa"]
    assert shown == {
        "IPAMConfig": {"IPv4Address": f"{FIXED}.77"},
        "Links": None,
        "Aliases": ["svc"],
        "MacAddress": made.endpoints[1].mac_address,
        "DriverOpts": None,
        "GwPriority": 3,
        "NetworkID": (await engine.networks.get("aa")).id,
        "EndpointID": shown["EndpointID"],
        "Gateway": f"{FIXED}.1",
        "IPAddress": f"{FIXED}.77",
        "IPPrefixLen": 24,
        "IPv6Gateway": f"{FIXED6}1",
        "GlobalIPv6Address": f"{FIXED6}2",
        "GlobalIPv6PrefixLen": 64,
        "DNSNames": ["case", "svc", made.id[:12], "h"],
    }
    assert shown["EndpointID"] in {
        one["EndpointID"] for one in (await engine.networks.inspect("aa"))["Containers"].values()
    }


async def test_inspect_of_one_that_does_not_run_shows_what_was_wished_for(engine, two_networks):
    made = await engine.containers.create(member("bb", EndpointOptions(network="aa", aliases=("svc",))))
    settings = (await engine.containers.inspect(made.id))["NetworkSettings"]
    shown = {
        name: (one["Aliases"], one["IPAddress"], one["EndpointID"])
        for name, one in settings["Networks"].items()
    }
    assert (shown, settings["Ports"]) == ({"bb": (None, "", ""), "aa": (["svc"], "", "")}, {})


async def test_ps_finds_containers_by_each_of_their_networks(engine, inside_network):
    made = await started(engine, member("bb", "aa"))
    created = await engine.containers.create(member("aa"))
    found = {
        name: {
            one.id
            for one in await engine.containers.list(ContainerFilter(all=True, filters={"network": (name,)}))
        }
        for name in ("aa", "bb", "inside")
    }
    assert found == {"aa": {made.id, created.id}, "bb": {made.id}, "inside": set()}
