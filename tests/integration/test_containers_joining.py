"""Containers that join and leave networks, while they run and while they do not."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import msgspec
import pytest

from engine.errors import Conflict, EngineError
from engine.options import EndpointOptions, PortSpec, RestartPolicy
from tests.support.containers import sh, started
from tests.support.members import FIXED, addresses, bundled, inside, links, member, recorded, ways_out

pytestmark = pytest.mark.root


# -- joining and leaving ---------------------------------------------------------------------------------
async def test_a_network_is_joined_while_the_container_runs(engine, two_networks, paths):
    made = await started(engine, member("bb"))
    await engine.containers.connect(made.id, EndpointOptions(network="aa", address=f"{FIXED}.9"))
    made = await engine.containers.get(made.id)
    assert links(made) == recorded(made)
    assert links(made)["eth1"][0] == f"{FIXED}.9"
    assert ways_out(made) == ["eth1", "eth1"]
    assert bundled(paths, made)["endpoints"] == json.loads(msgspec.json.encode(made.endpoints))


async def test_a_network_is_left_while_the_container_runs(engine, two_networks):
    made = await started(engine, member("aa", "bb"))
    await engine.containers.disconnect(made.id, "aa")
    made = await engine.containers.get(made.id)
    assert (list(links(made)), ways_out(made)) == (["eth1"], ["eth1", ""])
    assert await addresses(engine, "aa") == []


async def test_the_hosts_file_gets_and_loses_lines_in_place(engine, two_networks, paths):
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


async def test_the_first_network_with_names_brings_the_resolver(engine, two_networks, paths):
    made = await started(engine, member("bridge"))
    with open(paths.container_resolv_conf(made.id), encoding="ascii") as file:
        before = file.read()
    await engine.containers.connect(made.id, EndpointOptions(network="bb"))
    with open(paths.container_resolv_conf(made.id), encoding="ascii") as file:
        after = file.read()
    assert ("127.0.0.11" in before, after.splitlines()[0]) == (False, "nameserver 127.0.0.11")


async def test_a_network_is_joined_once(engine, two_networks):
    made = await started(engine, member("bb", name="box"))
    with pytest.raises(Conflict, match="endpoint with name box already exists in network bb"):
        await engine.containers.connect("box", EndpointOptions(network="bb"))
    assert links(made) == recorded(made)


async def test_a_network_is_left_once(engine, two_networks):
    made = await started(engine, member("bb"))
    with pytest.raises(Conflict, match=f"container {made.id} is not connected to network aa"):
        await engine.containers.disconnect(made.id, "aa")


async def test_a_refused_join_leaves_nothing(engine, two_networks, paths):
    first = await started(engine, member(EndpointOptions(network="aa", address=f"{FIXED}.9")))
    made = await started(engine, member("bb"))
    before = bundled(paths, made)
    with pytest.raises(EngineError, match="Address already in use"):
        await engine.containers.connect(made.id, EndpointOptions(network="aa", address=f"{FIXED}.9"))
    assert (list(links(made)), bundled(paths, made)) == (["eth0"], before)
    assert await addresses(engine, "aa") == [first.endpoints[0].address]


async def test_what_the_kernel_refuses_is_undone(engine, two_networks, paths):
    made = await started(engine, member("bb"))
    inside(made, "ip", "link", "add", "eth1", "type", "veth", "peer", "name", "other")
    before, bridge = bundled(paths, made), (await engine.networks.get("aa")).bridge
    with pytest.raises(EngineError, match="changing the container's networks"):
        await engine.containers.connect(made.id, EndpointOptions(network="aa"))
    assert (bundled(paths, made), os.listdir(f"/sys/class/net/{bridge}/brif")) == (before, [])
    assert await addresses(engine, "aa") == []
    inside(made, "ip", "link", "delete", "eth1")
    await engine.containers.connect(made.id, EndpointOptions(network="aa"))


async def test_a_stopped_container_joins_at_its_next_start(engine, two_networks):
    made = await engine.containers.create(member("bb"))
    await engine.containers.connect(made.id, EndpointOptions(network="aa", aliases=("svc",)))
    await engine.containers.disconnect(made.id, "bb")
    await engine.containers.start(made.id)
    made = await engine.containers.get(made.id)
    assert ([end.network for end in made.endpoints], "svc" in made.endpoints[0].names) == (["aa"], True)


async def test_what_was_joined_and_left_lasts_over_a_restart(engine, two_networks):
    made = await started(engine, member("bb"))
    await engine.containers.connect(made.id, EndpointOptions(network="aa", address=f"{FIXED}.9"))
    await engine.containers.disconnect(made.id, "bb")
    await engine.containers.restart(made.id, 0)
    made = await engine.containers.get(made.id)
    assert links(made)["eth0"][0] == f"{FIXED}.9"


async def test_what_was_joined_lasts_over_a_restart_by_policy(engine, two_networks):
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


async def test_a_container_that_has_left_all_networks_is_alone_until_it_joins_one(engine, two_networks):
    made = await started(engine, member("bb"))
    await engine.containers.disconnect(made.id, "bb")
    await engine.containers.restart(made.id, 0)
    alone = await engine.containers.get(made.id)
    assert (links(alone), alone.networks) == ({}, ())
    await engine.containers.connect(made.id, EndpointOptions(network="bb"))
    assert list(links(alone)) == ["eth0"]


async def test_none_is_left_before_another_is_joined(engine, two_networks):
    made = await started(engine, sh("exec sleep 1000", network="none"))
    with pytest.raises(Conflict, match="private \\(none\\) mode"):
        await engine.containers.connect(made.id, EndpointOptions(network="bb"))
    await engine.containers.disconnect(made.id, "none")
    await engine.containers.connect(made.id, EndpointOptions(network="bb"))
    assert ways_out(made) == ["eth0", ""]


@pytest.mark.parametrize("running", [True, False])
async def test_the_host_s_network_is_neither_joined_nor_left(engine, two_networks, running):
    made = await engine.containers.create(sh("exec sleep 1000", network="host"))
    if running:
        await engine.containers.start(made.id)
        with pytest.raises(Conflict, match="cannot be disconnected from host network"):
            await engine.containers.disconnect(made.id, "host")
    with pytest.raises(Conflict, match="sharing network namespace with another container or host"):
        await engine.containers.connect(made.id, EndpointOptions(network="bb"))


async def test_a_paused_container_joins_and_leaves(engine, two_networks):
    made = await started(engine, member("bb"))
    await engine.containers.pause(made.id)
    await engine.containers.connect(made.id, EndpointOptions(network="aa"))
    await engine.containers.disconnect(made.id, "bb")
    await engine.containers.unpause(made.id)
    assert list(links(made)) == ["eth1"]


async def test_who_shares_the_namespace_sees_what_is_joined(engine, two_networks):
    made = await started(engine, member("bb"))
    sharer = await started(engine, sh("exec sleep 1000", network=f"container:{made.id}"))
    await engine.containers.connect(made.id, EndpointOptions(network="aa"))
    assert (list(links(sharer)), sharer.networks) == (["eth0", "eth1"], ())
    with pytest.raises(Conflict, match="sharing network namespace"):
        await engine.containers.connect(sharer.id, EndpointOptions(network="aa"))


async def test_published_ports_follow_the_way_out(engine, two_networks):
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
