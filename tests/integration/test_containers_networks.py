"""Containers in several networks, and those that join and leave some while they run."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from engine.errors import Conflict, EngineError, InvalidInput, NotFound
from engine.options import (
    ContainerFilter,
    CreateNetworkOptions,
    CreateOptions,
    EndpointOptions,
    EventFilter,
    PortSpec,
    RestartPolicy,
)
from tests.support.containers import sh, started

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.paths import Paths
    from engine.records import Container

pytestmark = pytest.mark.root

PLACE = os.getpid() % 250
"""Tests that run beside these in another process have subnets of their own."""
FIXED, FIXED6 = f"10.213.{PLACE}", f"fd00:213:{PLACE:x}::"


@pytest.fixture
async def networks(engine: Engine, busybox_image: Any) -> None:
    await engine.networks.create(
        CreateNetworkOptions(name="aa", subnets=(f"{FIXED}.0/24", f"{FIXED6}/64"), ipv6=True)
    )
    await engine.networks.create(CreateNetworkOptions(name="bb"))


@pytest.fixture
async def inside_network(engine: Engine, networks: None) -> None:
    await engine.networks.create(CreateNetworkOptions(name="inside", internal=True))


def member(*wanted: str | EndpointOptions, **options: Any) -> CreateOptions:
    """A container that sleeps in networks."""
    ends = tuple(EndpointOptions(network=one) if isinstance(one, str) else one for one in wanted)
    return sh("exec sleep 1000", network=ends[0].network, endpoints=ends, **options)


def inside(container: Container, *command: str) -> str:
    """What ``command`` of the host prints in the container's network namespace."""
    argv = ["nsenter", f"--net=/proc/{container.state.pid}/ns/net", *command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout


def link_local(address: str) -> bool:
    return address.startswith(("fe80:", "169.254."))


def links(container: Container) -> dict[str, list[str]]:
    """The addresses of each interface, but for those that the kernel gives by itself."""
    listed = json.loads(inside(container, "ip", "-j", "address"))
    return {
        link["ifname"]: [info["local"] for info in link["addr_info"] if not link_local(info["local"])]
        for link in listed
        if link["ifname"] != "lo"
    }


def ways_out(container: Container) -> list[str]:
    """The interfaces of the default routes, IPv4's and IPv6's."""
    found = []
    for family in ("-4", "-6"):
        routes = json.loads(inside(container, "ip", "-j", family, "route", "show", "default"))
        found.append(",".join(route["dev"] for route in routes))
    return found


def recorded(container: Container) -> dict[str, list[str]]:
    return {
        end.interface: [address for address in (end.address, end.address6) if address]
        for end in container.endpoints
    }


def bundled(paths: Paths, container: Container) -> dict[str, Any]:
    with open(paths.container_bundle(container.id), encoding="utf-8") as file:
        network: dict[str, Any] = json.load(file)["network"]
    return network


async def addresses(engine: Engine, network: str) -> list[str]:
    shown = (await engine.networks.inspect(network))["Containers"]
    return [one["IPv4Address"].partition("/")[0] for one in shown.values()]


# -- a start in several networks ---------------------------------------------------------------------
async def test_each_network_has_an_interface_in_the_order_wished_for(engine, inside_network):
    made = await started(engine, member("bb", "aa", "inside"))
    assert links(made) == recorded(made)
    assert [end.network for end in made.endpoints] == ["bb", "aa", "inside"]
    assert list(links(made)) == ["eth0", "eth1", "eth2"]


async def test_the_way_out_is_that_of_the_first_name(engine, inside_network):
    made = await started(engine, member("inside", "bb", "aa"))
    assert ways_out(made) == ["eth2", "eth2"]


async def test_the_way_out_is_that_of_the_highest_priority_for_each_family(engine, networks):
    made = await started(engine, member("aa", EndpointOptions(network="bb", gateway_priority=1)))
    assert ways_out(made) == ["eth1", "eth0"]


async def test_an_internal_network_is_no_way_out(engine, inside_network):
    made = await started(engine, member("inside"))
    assert ways_out(made) == ["", ""]


async def test_wished_addresses_are_given(engine, networks):
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


async def test_an_address_in_use_is_refused_until_its_container_stops(engine, networks):
    wish = EndpointOptions(network="aa", address=f"{FIXED}.77")
    first = await started(engine, member(wish))
    second = await engine.containers.create(member(wish))
    with pytest.raises(EngineError, match="Address already in use"):
        await engine.containers.start(second.id)
    await engine.containers.stop(first.id, 0)
    await engine.containers.start(second.id)
    assert (await engine.containers.get(second.id)).endpoints[0].address == f"{FIXED}.77"


async def test_an_address_of_a_subnet_that_nobody_chose_is_refused_at_the_start(engine, networks):
    made = await engine.containers.create(member(EndpointOptions(network="bb", address="172.30.0.9")))
    with pytest.raises(InvalidInput, match="networks with user configured subnets"):
        await engine.containers.start(made.id)


async def test_an_interface_has_the_name_and_the_settings_wished_for(engine, networks):
    options = {
        "com.docker.network.endpoint.ifname": "uplink",
        "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1",
    }
    made = await started(engine, member(EndpointOptions(network="bb", driver_options=options), "aa"))
    assert list(links(made)) == ["uplink", "eth0"]
    assert inside(made, "sysctl", "-n", "net.ipv4.conf.uplink.log_martians") == "1\n"


async def test_a_network_is_looked_for_at_the_start(engine, busybox_image):
    made = await engine.containers.create(sh("true", network="nosuch"))
    with pytest.raises(NotFound, match="network nosuch not found"):
        await engine.containers.start(made.id)
    assert (await engine.containers.get(made.id)).state.status == "created"


# -- joining and leaving ---------------------------------------------------------------------------------
async def test_a_network_is_joined_while_the_container_runs(engine, networks, paths):
    made = await started(engine, member("bb"))
    await engine.containers.connect(made.id, EndpointOptions(network="aa", address=f"{FIXED}.9"))
    made = await engine.containers.get(made.id)
    assert links(made) == recorded(made)
    assert links(made)["eth1"][0] == f"{FIXED}.9"
    assert ways_out(made) == ["eth1", "eth1"]
    assert bundled(paths, made)["endpoints"] == json.loads(msgspec.json.encode(made.endpoints))


async def test_a_network_is_left_while_the_container_runs(engine, networks):
    made = await started(engine, member("aa", "bb"))
    await engine.containers.disconnect(made.id, "aa")
    made = await engine.containers.get(made.id)
    assert (list(links(made)), ways_out(made)) == (["eth1"], ["eth1", ""])
    assert await addresses(engine, "aa") == []


async def test_the_hosts_file_gets_and_loses_lines_in_place(engine, networks, paths):
    made = await started(engine, member("bb", hostname="box"))
    path = paths.container_hosts(made.id)
    inode = os.stat(path).st_ino
    with open(path, "a", encoding="ascii") as file:
        file.write("192.0.2.1\tmine\n")
    with open(path, encoding="ascii") as file:
        before = file.read()
    await engine.containers.connect(made.id, EndpointOptions(network="aa", address=f"{FIXED}.9"))
    with open(path, encoding="ascii") as file:
        joined = file.read()
    await engine.containers.disconnect(made.id, "aa")
    with open(path, encoding="ascii") as file:
        assert (joined.startswith(before + f"{FIXED}.9\tbox\n"), file.read()) == (True, before)
    assert os.stat(path).st_ino == inode


async def test_the_first_network_with_names_brings_the_resolver(engine, networks, paths):
    made = await started(engine, member("bridge"))
    with open(paths.container_resolv_conf(made.id), encoding="ascii") as file:
        before = file.read()
    await engine.containers.connect(made.id, EndpointOptions(network="bb"))
    with open(paths.container_resolv_conf(made.id), encoding="ascii") as file:
        after = file.read()
    assert ("127.0.0.11" in before, after.splitlines()[0]) == (False, "nameserver 127.0.0.11")


async def test_a_network_is_joined_once(engine, networks):
    made = await started(engine, member("bb", name="box"))
    with pytest.raises(Conflict, match="endpoint with name box already exists in network bb"):
        await engine.containers.connect("box", EndpointOptions(network="bb"))
    assert links(made) == recorded(made)


async def test_a_network_is_left_once(engine, networks):
    made = await started(engine, member("bb"))
    with pytest.raises(Conflict, match=f"container {made.id} is not connected to network aa"):
        await engine.containers.disconnect(made.id, "aa")


async def test_a_refused_join_leaves_nothing(engine, networks, paths):
    first = await started(engine, member(EndpointOptions(network="aa", address=f"{FIXED}.9")))
    made = await started(engine, member("bb"))
    before = bundled(paths, made)
    with pytest.raises(EngineError, match="Address already in use"):
        await engine.containers.connect(made.id, EndpointOptions(network="aa", address=f"{FIXED}.9"))
    assert (list(links(made)), bundled(paths, made)) == (["eth0"], before)
    assert await addresses(engine, "aa") == [first.endpoints[0].address]


async def test_what_the_kernel_refuses_is_undone(engine, networks, paths):
    made = await started(engine, member("bb"))
    inside(made, "ip", "link", "add", "eth1", "type", "veth", "peer", "name", "other")
    before, veths = bundled(paths, made), os.listdir("/sys/class/net")
    with pytest.raises(EngineError, match="changing the container's networks"):
        await engine.containers.connect(made.id, EndpointOptions(network="aa"))
    assert (bundled(paths, made), sorted(os.listdir("/sys/class/net"))) == (before, sorted(veths))
    inside(made, "ip", "link", "delete", "eth1")
    await engine.containers.connect(made.id, EndpointOptions(network="aa"))


async def test_a_stopped_container_joins_at_its_next_start(engine, networks):
    made = await engine.containers.create(member("bb"))
    await engine.containers.connect(made.id, EndpointOptions(network="aa", aliases=("svc",)))
    await engine.containers.disconnect(made.id, "bb")
    await engine.containers.start(made.id)
    made = await engine.containers.get(made.id)
    assert ([end.network for end in made.endpoints], "svc" in made.endpoints[0].names) == (["aa"], True)


async def test_what_was_joined_and_left_lasts_over_a_restart(engine, networks):
    made = await started(engine, member("bb"))
    await engine.containers.connect(made.id, EndpointOptions(network="aa", address=f"{FIXED}.9"))
    await engine.containers.disconnect(made.id, "bb")
    await engine.containers.restart(made.id, 0)
    made = await engine.containers.get(made.id)
    assert links(made)["eth0"][0] == f"{FIXED}.9"


async def test_what_was_joined_lasts_over_a_restart_by_policy(engine, networks):
    policy = RestartPolicy(name="always")
    made = await started(engine, member("bb", restart=policy))
    await engine.containers.connect(made.id, EndpointOptions(network="aa"))
    before = recorded(await engine.containers.get(made.id))
    os.kill(made.state.pid, 9)
    for _ in range(200):
        made = await engine.containers.get(made.id)
        if made.state.status == "running" and made.state.restart_count:
            break
        await asyncio.sleep(0.05)
    assert links(made) == recorded(made) == before


async def test_a_container_that_has_left_all_networks_is_alone_until_it_joins_one(engine, networks):
    made = await started(engine, member("bb"))
    await engine.containers.disconnect(made.id, "bb")
    await engine.containers.restart(made.id, 0)
    alone = await engine.containers.get(made.id)
    assert (links(alone), alone.networks) == ({}, ())
    await engine.containers.connect(made.id, EndpointOptions(network="bb"))
    assert list(links(alone)) == ["eth0"]


async def test_none_is_left_before_another_is_joined(engine, networks):
    made = await started(engine, sh("exec sleep 1000", network="none"))
    with pytest.raises(Conflict, match="private \\(none\\) mode"):
        await engine.containers.connect(made.id, EndpointOptions(network="bb"))
    await engine.containers.disconnect(made.id, "none")
    await engine.containers.connect(made.id, EndpointOptions(network="bb"))
    assert ways_out(made) == ["eth0", ""]


@pytest.mark.parametrize("running", [True, False])
async def test_the_host_s_network_is_neither_joined_nor_left(engine, networks, running):
    made = await engine.containers.create(sh("exec sleep 1000", network="host"))
    if running:
        await engine.containers.start(made.id)
        with pytest.raises(Conflict, match="cannot be disconnected from host network"):
            await engine.containers.disconnect(made.id, "host")
    with pytest.raises(Conflict, match="sharing network namespace with another container or host"):
        await engine.containers.connect(made.id, EndpointOptions(network="bb"))


async def test_a_paused_container_joins_and_leaves(engine, networks):
    made = await started(engine, member("bb"))
    await engine.containers.pause(made.id)
    await engine.containers.connect(made.id, EndpointOptions(network="aa"))
    await engine.containers.disconnect(made.id, "bb")
    await engine.containers.unpause(made.id)
    assert list(links(made)) == ["eth1"]


async def test_who_shares_the_namespace_sees_what_is_joined(engine, networks):
    made = await started(engine, member("bb"))
    sharer = await started(engine, sh("exec sleep 1000", network=f"container:{made.id}"))
    await engine.containers.connect(made.id, EndpointOptions(network="aa"))
    assert (list(links(sharer)), sharer.networks) == (["eth0", "eth1"], ())
    with pytest.raises(Conflict, match="sharing network namespace"):
        await engine.containers.connect(sharer.id, EndpointOptions(network="aa"))


async def test_published_ports_follow_the_way_out(engine, networks):
    port = PortSpec(container_port=80, host_ip="127.0.0.1")
    made = await started(engine, member("bb", ports=(port,)))
    first = made.ports
    await engine.containers.connect(made.id, EndpointOptions(network="aa", address=f"{FIXED}.9"))
    rules = subprocess.run(
        ["nft", "list", "table", "ip", f"tuidock-{made.id[:12]}"], capture_output=True, text=True, check=True
    ).stdout
    assert (f"{FIXED}.9:80" in rules, made.endpoints[0].address in rules) == (True, False)
    assert (await engine.containers.get(made.id)).ports == first
    await engine.containers.disconnect(made.id, "aa")
    await engine.containers.disconnect(made.id, "bb")
    assert (await engine.containers.get(made.id)).ports == ()


# -- what is told -------------------------------------------------------------------------------------------
async def test_events_tell_of_each_network(engine, networks):
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


async def test_inspect_shows_each_network_as_it_is_and_as_it_was_wished_for(engine, networks):
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


async def test_inspect_of_one_that_does_not_run_shows_what_was_wished_for(engine, networks):
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


# -- many at once -------------------------------------------------------------------------------------------
_CHANGER = """
import asyncio, sys
from engine.engine import Engine
from engine.errors import Conflict
from engine.options import EndpointOptions
from engine.paths import Paths

async def main(root, run, container, *names):
    async with await Engine.open(Paths(root=root, run=run)) as engine:
        for _ in range(4):
            for name in names:
                try:
                    await engine.containers.connect(container, EndpointOptions(network=name))
                except Conflict as error:
                    assert "already exists" in str(error), error
                try:
                    await engine.containers.disconnect(container, name)
                except Conflict as error:
                    assert "not connected" in str(error), error

asyncio.run(main(*sys.argv[1:]))
"""


async def test_many_changers_at_once_leave_what_is_recorded(engine, inside_network, paths):
    import sys

    made = await started(engine, member("bb"))
    orders = (("aa", "inside"), ("inside", "aa"), ("bridge", "aa")) * 2
    changers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CHANGER, paths.root, paths.run, made.id, *order, stderr=subprocess.PIPE
        )
        for order in orders
    ]
    told = [(await changer.communicate())[1] for changer in changers]
    assert told == [b""] * len(changers)
    await engine.containers.connect(made.id, EndpointOptions(network="aa"))
    made = await engine.containers.get(made.id)
    assert links(made) == recorded(made)
    assert bundled(paths, made)["endpoints"] == json.loads(msgspec.json.encode(made.endpoints))
    assert [end.network for end in made.endpoints] == ["bb", "aa"]
    assert await addresses(engine, "inside") == []
