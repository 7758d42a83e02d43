from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal

import pytest

from engine.engine import Engine
from engine.errors import Conflict, InvalidInput
from engine.options import (
    AttachOptions,
    EventFilter,
    ExecOptions,
    LogOptions,
    RemoveContainerOptions,
    RestartPolicy,
)
from engine.shim import cgroup
from engine.shim.lock import lock_holder
from tests.support.containers import everything, sh, started
from tests.support.leftovers import leftovers

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]

ALWAYS = RestartPolicy(name="always")
FOREVER = "echo up; exec sleep 1000"


async def until(engine, container, wanted) -> None:
    async with asyncio.timeout(10):
        while not wanted((await engine.containers.get(container.id)).state):
            await asyncio.sleep(0.01)


async def resting(engine, script: str = "exit 3", *, count: int = 4, **options):
    """A container in a pause between two runs that is long enough to be asked something."""
    container = await started(engine, sh(script, **{"restart": ALWAYS, **options}))
    await until(
        engine, container, lambda state: state.status == "restarting" and state.restart_count >= count
    )
    return container


async def events(engine, container) -> list[str]:
    past = EventFilter(follow=False, filters={"container": (container.id,)})
    return [event.action async for event in engine.events(past)]


async def test_a_failure_is_tried_again_as_often_as_asked(engine):
    container = await started(
        engine, sh("echo run; exit 4", restart=RestartPolicy(name="on-failure", maximum_retry_count=2))
    )
    await until(engine, container, lambda state: state.status == "exited")
    state = (await engine.containers.get(container.id)).state
    assert (state.exit_code, state.restart_count) == (4, 2)
    chunks = [chunk.content async for chunk in engine.containers.logs(container.id, LogOptions())]
    assert b"".join(chunks) == b"run\n" * 3
    assert await events(engine, container) == ["create", *["start", "die"] * 3]


async def test_success_ends_a_container_that_is_restarted_on_failure(engine):
    container = await started(engine, sh("exit 0", restart=RestartPolicy(name="on-failure")))
    await until(engine, container, lambda state: state.status == "exited")
    assert (await engine.containers.get(container.id)).state.restart_count == 0


async def test_between_two_runs_it_is_restarting(engine):
    container = await resting(engine)
    state = (await engine.containers.get(container.id)).state
    assert (state.running, state.pid, state.exit_code, state.oom_killed) == (True, 0, 3, False)
    assert 0 < state.started_at < state.finished_at
    shown = await engine.containers.inspect(container.id)
    assert (shown["State"]["Restarting"], shown["State"]["Running"]) == (True, True)
    assert shown["RestartCount"] >= 4


async def test_each_run_has_the_files_the_address_and_the_limits_of_the_first(engine):
    script = "cat /n 2>/dev/null; echo x >> /n; hostname -i; exit 1"
    options = {"network": "bridge", "restart": RestartPolicy(name="on-failure", maximum_retry_count=1)}
    container = await started(engine, sh(script, **options))
    await until(engine, container, lambda state: state.status == "exited")
    chunks = [chunk.content async for chunk in engine.containers.logs(container.id, LogOptions())]
    first, second, third = b"".join(chunks).split()
    assert (first, second) == (third, b"x")


async def test_a_stop_in_the_pause_ends_it_at_once(engine):
    container = await resting(engine)
    await engine.containers.stop(container.id)
    state = (await engine.containers.get(container.id)).state
    assert (state.status, state.exit_code) == ("exited", 3)
    assert not lock_holder(engine.paths.container_lock(container.id))


async def test_a_kill_in_the_pause_ends_it_too(engine):
    container = await resting(engine)
    await engine.containers.kill(container.id)
    assert (await engine.containers.get(container.id)).state.status == "exited"


async def test_what_was_stopped_stays_so_and_counts_from_zero_when_started(engine):
    container = await resting(engine, "test -e /on && exec sleep 1000; exit 3")
    await engine.containers.stop(container.id)
    assert (await engine.containers.get(container.id)).state.restart_count >= 4
    await engine.containers.start(container.id)
    await until(engine, container, lambda state: state.status == "restarting")
    assert (await engine.containers.get(container.id)).state.restart_count < 4


async def test_a_running_container_that_is_stopped_is_not_started_again(engine):
    container = await started(engine, sh(FOREVER, restart=ALWAYS))
    await engine.containers.stop(container.id, timeout=0)
    assert (await engine.containers.get(container.id)).state.status == "exited"


async def test_one_whose_process_is_killed_from_outside_is_started_again(engine):
    container = await started(engine, sh(FOREVER, restart=ALWAYS))
    os.kill(container.state.pid, signal.SIGKILL)
    await until(engine, container, lambda state: state.restart_count == 1 and state.pid)
    assert (await engine.containers.get(container.id)).state.pid != container.state.pid


@pytest.mark.parametrize(
    ("policy", "stop_signal", "status"),
    [
        ("always", "TERM", "running"),
        ("on-failure", "TERM", "running"),
        ("unless-stopped", "TERM", "exited"),
        ("always", None, "exited"),
    ],
)
async def test_a_signal_that_is_not_the_stop_signal_is_no_stop_but_to_unless_stopped(
    engine, policy, stop_signal, status
):
    """As Docker has it, where a container without a stop signal may be stopped by any."""
    script = "trap 'exit 3' USR1; echo up; while :; do sleep 0.01; done"
    options = {"restart": RestartPolicy(name=policy), "stop_signal": stop_signal}
    container = await started(engine, sh(script, **options))
    async for chunk in engine.containers.logs(container.id, LogOptions(follow=True)):
        if b"up" in chunk.content:
            break
    await engine.containers.kill(container.id, "USR1")
    await until(engine, container, lambda state: state.restart_count == 1 or state.status == "exited")
    await until(engine, container, lambda state: state.status == status)


async def test_remove_needs_force_in_the_pause(engine):
    container = await resting(engine)
    with pytest.raises(Conflict, match="container is restarting: stop the container before removing"):
        await engine.containers.remove(container.id, RemoveContainerOptions())
    await engine.containers.remove(container.id, RemoveContainerOptions(force=True))
    assert leftovers(engine.paths, [container.id]) == []


async def test_what_needs_a_process_is_refused_in_the_pause(engine):
    container, containers = await resting(engine, count=5), engine.containers
    words = "is restarting, wait until the container is running"
    with pytest.raises(Conflict, match=words):
        await containers.pause(container.id)
    with pytest.raises(Conflict, match=words):
        await containers.exec(container.id, ExecOptions(command=("true",)))
    with pytest.raises(Conflict, match=words):
        await containers.top(container.id)
    with pytest.raises(Conflict, match="You cannot attach to a restarting container"):
        await containers.attach(container.id, AttachOptions())


async def test_start_in_the_pause_does_nothing_and_restart_starts_at_once(engine):
    container = await resting(engine, "test -e /on && exec sleep 1000; touch /on; exit 3", count=1)
    await engine.containers.start(container.id)
    assert (await engine.containers.get(container.id)).state.running
    await engine.containers.restart(container.id, timeout=0)
    state = (await engine.containers.get(container.id)).state
    assert (state.status, state.restart_count) == ("running", 0)


async def test_who_attends_a_run_gets_its_exit_code_though_another_run_follows(engine):
    container = await engine.containers.create(sh("echo out; exit 6", restart=ALWAYS))
    session = await engine.containers.start_attached(container.id, AttachOptions(stdin=False))
    async with asyncio.timeout(10):
        assert await everything(session) == (6, b"out\n", b"")
        assert await engine.containers.wait(container.id) == 6
    assert (await engine.containers.get(container.id)).state.running


async def test_followed_logs_go_on_over_the_runs(engine):
    container = await started(engine, sh("echo run; exit 1", restart=ALWAYS))
    seen = b""
    async with asyncio.timeout(10):
        async for chunk in engine.containers.logs(container.id, LogOptions(follow=True)):
            seen += chunk.content
            if seen.count(b"run") == 3:
                break
    assert seen == b"run\n" * 3


async def test_what_cannot_be_started_again_ends_with_the_reason(engine):
    options = {"command": ("/script",), "restart": ALWAYS}
    container = await engine.containers.create(sh("", **options))
    script = f"{engine.paths.container_upper(container.id)}/script"
    with open(script, "w") as file:
        os.fchmod(file.fileno(), 0o755)
        file.write("#!/bin/sh\nrm /script\nexit 3\n")
    await engine.containers.start(container.id)
    await until(engine, container, lambda state: state.status == "exited")
    state = (await engine.containers.get(container.id)).state
    assert (state.exit_code, state.restart_count) == (127, 1)
    assert "no such file or directory" in state.error
    assert leftovers(engine.paths, [container.id]) == []


async def test_the_end_of_the_last_run_is_known_when_the_supervisor_dies_in_the_pause(engine):
    container = await resting(engine)
    os.kill(lock_holder(engine.paths.container_lock(container.id)), signal.SIGKILL)
    await until(engine, container, lambda state: state.status == "exited")
    state = (await engine.containers.get(container.id)).state
    assert (state.exit_code, state.error) == (3, "supervisor died")
    assert (await events(engine, container))[-1] == "die"
    assert leftovers(engine.paths, [container.id]) == []


async def test_a_supervisor_that_is_told_to_end_lets_nothing_start_again(engine):
    """As at the shutdown of the machine, whose init sends SIGTERM to everybody."""
    for script in ("exit 3", "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done"):
        container = await started(engine, sh(script, restart=ALWAYS))
        while "trap" in script and not os.path.getsize(engine.paths.container_log(container.id)):
            await asyncio.sleep(0.005)
        os.kill(lock_holder(engine.paths.container_lock(container.id)), signal.SIGTERM)
        await until(engine, container, lambda state: state.status == "exited")


@pytest.mark.parametrize("name", ["sometimes", "Always", ""])
async def test_an_unknown_policy_is_refused(engine, name):
    with pytest.raises(InvalidInput, match="invalid restart policy: unknown policy"):
        await engine.containers.create(sh("true", restart=RestartPolicy(name=name)))


async def test_a_policy_and_rm_contradict_each_other(engine):
    with pytest.raises(InvalidInput, match="cannot specify both --restart and --rm"):
        await engine.containers.create(sh("true", restart=ALWAYS, auto_remove=True))


# -- with the machine -------------------------------------------------------------------------------
async def lose_power(engine) -> None:
    """Everything that runs dies at once, and the run tree is gone: what a reboot leaves."""
    folder = f"{engine.paths.run}/c"
    for name in os.listdir(folder):
        with open(f"{folder}/{name}/bundle.json") as file:
            groups = json.load(file)["cgroup"]["kill"]
        os.kill(lock_holder(f"{folder}/{name}/lock"), signal.SIGKILL)
        while lock_holder(f"{folder}/{name}/lock"):
            await asyncio.sleep(0.005)
        assert cgroup.destroy(groups) == []
    shutil.rmtree(engine.paths.run)


async def test_after_a_reboot_what_should_run_is_due(engine):
    made = {}
    for policy in ("no", "always", "unless-stopped", "on-failure"):
        for state in ("created", "running", "stopped"):
            container = await engine.containers.create(sh(FOREVER, restart=RestartPolicy(name=policy)))
            made[container.id] = f"{policy} {state}"
            if state != "created":
                await engine.containers.start(container.id)
            if state == "stopped":
                await engine.containers.stop(container.id, timeout=0)
    await lose_power(engine)
    async with await Engine.open(engine.paths) as later:
        due = {made[one.id] for group in await later.containers.due() for one in group}
    # What Docker 20.10 does: a stop does not outlive it but with unless-stopped, and 137 is a failure.
    assert due == {
        "always running",
        "always stopped",
        "unless-stopped running",
        "on-failure running",
        "on-failure stopped",
    }
    for container_id in made:
        await engine.containers.remove(container_id, RemoveContainerOptions(force=True))
    assert leftovers(engine.paths, list(made)) == []


async def test_what_the_machine_stopped_is_due_and_what_runs_is_not(engine):
    policy = RestartPolicy(name="unless-stopped")
    down, up = [await started(engine, sh(FOREVER, restart=policy)) for _ in range(2)]
    await engine.containers.shut_down(down.id, timeout=0)
    ((due,),) = await engine.containers.due()
    assert due.id == down.id
    assert (await engine.containers.get(up.id)).state.running


async def test_who_shares_a_network_comes_after_whose_it_is(engine):
    host = await started(engine, sh(FOREVER, restart=ALWAYS))
    guest = await started(engine, sh(FOREVER, restart=ALWAYS, network=f"container:{host.id}"))
    for container in (guest, host):
        await engine.containers.shut_down(container.id, timeout=0)
    assert [[one.id for one in group] for group in await engine.containers.due()] == [[host.id], [guest.id]]
