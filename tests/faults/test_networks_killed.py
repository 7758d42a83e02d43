"""Engines and supervisors that are killed while a container joins and leaves networks."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from engine.containers import networking
from engine.options import CreateNetworkOptions, EndpointOptions
from engine.runtime.attachment import wanted_endpoints
from engine.shim.lock import lock_holder
from tests.support.containers import sh, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.engine import Engine
    from engine.paths import Paths
    from engine.records import Container

pytestmark = pytest.mark.root

_CHANGER = """
import asyncio, sys
from engine.engine import Engine
from engine.options import EndpointOptions
from engine.paths import Paths

async def main(root, run, container):
    async with await Engine.open(Paths(root=root, run=run)) as engine:
        print("ready", flush=True)
        while True:
            wanted = (await engine.containers.get(container)).networks
            if "other" in wanted:
                await engine.containers.disconnect(container, "other")
            else:
                await engine.containers.connect(container, EndpointOptions(network="other"))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def container(engine: Engine, busybox_image: Any) -> Container:
    for name in ("other", "plain"):
        await engine.networks.create(CreateNetworkOptions(name=name))
    return await started(engine, sh("exec sleep 1000", network="plain"))


@pytest.fixture
def changer(paths: Paths, container: Container) -> Iterator[subprocess.Popen[bytes]]:
    """A process that lets the container join and leave a network, again and again."""
    process = _changer(paths, container)
    yield process
    _kill(process)


def _changer(paths: Paths, container: Container) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", _CHANGER, paths.root, paths.run, container.id]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def links(container: Container) -> list[str]:
    argv = ["nsenter", f"--net=/proc/{container.state.pid}/ns/net", "ip", "-j", "link"]
    listed = json.loads(subprocess.run(argv, capture_output=True, check=True, timeout=30).stdout)
    return [link["ifname"] for link in listed if link["ifname"] != "lo"]


async def test_after_a_killed_engine_the_record_is_made_what_there_is(engine, paths, container):
    choose = random.Random(7)
    for _ in range(6):
        process = _changer(paths, container)
        time.sleep(choose.uniform(0.0, 0.3))
        _kill(process)
        await networking.mend(engine.containers._parts, container.id)
        found = await engine.containers.get(container.id)
        with open(paths.container_bundle(container.id), encoding="utf-8") as file:
            bundled = json.load(file)["network"]["endpoints"]
        assert [end.interface for end in found.endpoints] == links(found)
        assert bundled == json.loads(msgspec.json.encode(found.endpoints))
        assert found.networks == tuple(wish.network for wish in wanted_endpoints(found.options))


async def test_what_is_recorded_already_needs_no_mending(engine, container):
    await engine.containers.connect(container.id, EndpointOptions(network="other"))
    assert not await networking.mend(engine.containers._parts, container.id)


async def test_a_killed_supervisor_leaves_no_interface(engine, paths, container, changer):
    time.sleep(0.4)
    os.kill(lock_holder(paths.container_lock(container.id)), signal.SIGKILL)
    while (await engine.containers.get(container.id)).state.running:
        time.sleep(0.01)
    _kill(changer)
    await engine.containers.start(container.id)
    again = await engine.containers.get(container.id)
    assert links(again) == [end.interface for end in again.endpoints]
    assert set(again.networks) <= {"plain", "other"}
