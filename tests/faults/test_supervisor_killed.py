"""After kill -9 of any process at any moment a container is running, or over with a record; nothing stays."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys

import pytest

from engine import errors
from engine.runtime import dialing
from engine.runtime.launcher import Launcher
from engine.shim import lock
from tests.engine.shim.conftest import box, launcher  # noqa: F401 - fixtures
from tests.support.leftovers import leftovers

pytestmark = pytest.mark.root


async def reap(box, bundle):  # noqa: F811
    return await box.launcher.work("engine.shim.reap:reap", {"run_dir": bundle["run_dir"]})


async def test_init_dies_with_its_supervisor(box):  # noqa: F811
    session = await box.start("sh", "-c", "sleep 1000 & sleep 1000", process={"user": "7"})
    init = (await dialing.request(box.last["socket_path"], {"op": "status"}))["pid"]
    pidfd = os.pidfd_open(init)
    os.kill(lock.lock_holder(box.last["lock_path"]), signal.SIGKILL)
    loop, dead = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pidfd, dead.set)
    async with asyncio.timeout(5):
        await dead.wait()
    loop.remove_reader(pidfd)
    os.close(pidfd)
    with pytest.raises(errors.RuntimeFailure, match="died while its container was running"):
        await session.wait()


async def test_reaper_records_the_end_and_leaves_nothing(box):  # noqa: F811
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    os.kill(lock.lock_holder(box.last["lock_path"]), signal.SIGKILL)
    while lock.lock_holder(box.last["lock_path"]):
        await asyncio.sleep(0.01)
    assert await reap(box, box.last) == {"reaped": True, "left": []}
    with open(box.last["state_path"]) as file:
        facts = json.load(file)
    assert (facts["status"], facts["exit_code"], facts["error"]) == ("exited", 255, "supervisor died")
    assert leftovers(box.paths, [box.last["id"]]) == []


async def test_paused_container_is_reaped(box):  # noqa: F811
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    await dialing.request(box.last["socket_path"], {"op": "pause"})
    os.kill(lock.lock_holder(box.last["lock_path"]), signal.SIGKILL)
    while lock.lock_holder(box.last["lock_path"]):
        await asyncio.sleep(0.01)
    assert await reap(box, box.last) == {"reaped": True, "left": []}


async def test_two_reapers_do_it_once(box):  # noqa: F811
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    os.kill(lock.lock_holder(box.last["lock_path"]), signal.SIGKILL)
    while lock.lock_holder(box.last["lock_path"]):
        await asyncio.sleep(0.01)
    results = await asyncio.gather(*(reap(box, box.last) for _ in range(6)))
    assert sum(result["reaped"] for result in results) == 1
    with open(box.last["events_path"]) as file:
        assert sum(json.loads(line)["action"] == "die" for line in file) == 1


async def test_living_container_is_not_reaped(box):  # noqa: F811
    session = await box.start("cat", stdin=True)
    assert (await reap(box, box.last))["reaped"] is False
    await session.write(b"alive\n")
    await session.end_input()
    assert await session.read() == ("stdout", b"alive\n")
    assert await session.wait() == 0


async def test_nothing_to_reap(box):  # noqa: F811
    assert (await reap(box, box.bundle("true")))["reaped"] is False


async def test_kill_at_any_moment_of_a_start_leaves_a_container_that_starts_again(box):  # noqa: F811
    bundle = box.bundle("true")
    for _ in range(25):
        start = asyncio.create_task(box.launcher.supervise(bundle, attach=True))
        await asyncio.sleep(random.uniform(0.001, 0.016))
        if pid := lock.lock_holder(bundle["lock_path"]):
            os.kill(pid, signal.SIGKILL)
        try:
            session = await start
            await session.wait()
        except errors.RuntimeFailure:
            pass
        while lock.lock_holder(bundle["lock_path"]):
            await asyncio.sleep(0.001)
        await reap(box, bundle)
        assert leftovers(box.paths, [bundle["id"]]) == []
    assert (await box.execute(bundle))[0] == 0


async def test_container_survives_its_front_end_and_spawner(box):  # noqa: F811
    bundle = box.bundle("sleep", "1000")
    program = (
        "import asyncio, json, os, signal, sys; sys.path[:0] = [sys.argv[1]]\n"
        "from engine.runtime.launcher import Launcher\n"
        "async def main():\n"
        "    await Launcher.open().supervise(json.loads(sys.stdin.read()), attach=True)\n"
        "    print('up', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, root],
        input=json.dumps(bundle).encode(),
        capture_output=True,
    )
    assert (killed.stdout, killed.returncode) == (b"up\n", -signal.SIGKILL)
    status = await dialing.request(bundle["socket_path"], {"op": "status"})
    assert status["status"] == "running"
    waiting = await dialing.attached(bundle["socket_path"], {"op": "wait"})
    await dialing.request(bundle["socket_path"], {"op": "signal", "signal": 9})
    assert await waiting.wait() == 137


async def test_launcher_starts_a_new_spawner_when_it_was_killed(box, launcher: Launcher):  # noqa: F811
    os.kill(launcher._pid, signal.SIGKILL)
    os.waitpid(launcher._pid, 0)
    assert (await box.run("echo", "again"))[1] == b"again\n"


async def test_step_dies_with_its_front_end(box):  # noqa: F811
    bundle = box.bundle("sh", "-c", "echo up; sleep 1000")
    program = (
        "import asyncio, json, os, signal, sys; sys.path[:0] = [sys.argv[1]]\n"
        "from engine.runtime.launcher import Launcher\n"
        "kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(Launcher.open().run_step(json.loads(sys.stdin.read()), kill))\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, root],
        input=json.dumps(bundle).encode(),
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert leftovers(box.paths, [bundle["id"]]) == []
