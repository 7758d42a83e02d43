from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time

import pytest

from engine.engine import Engine
from engine.errors import (
    CommandNotExecutable,
    CommandNotFound,
    Conflict,
    InvalidInput,
    NotFound,
    RuntimeFailure,
)
from engine.options import (
    AttachOptions,
    ContainerFilter,
    ExecOptions,
    LogOptions,
    PruneOptions,
    RemoveContainerOptions,
)
from engine.shim.lock import lock_holder
from tests.support.containers import everything, run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]

FOREVER = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


async def ready(engine, container) -> None:
    async for chunk in engine.containers.logs(container.id, LogOptions(follow=True)):
        if b"ready" in chunk.content:
            return


async def test_run_gives_output_of_both_streams_and_the_exit_code(engine):
    assert await run(engine, sh("echo out; echo err >&2; exit 3")) == (3, b"out\n", b"err\n")


async def test_a_killed_command_has_128_plus_the_signal(engine):
    container = await started(engine, sh("sleep 60"))
    await engine.containers.kill(container.id)
    assert (await engine.containers.get(container.id)).state.exit_code == 128 + signal.SIGKILL


async def test_the_record_of_an_ended_container_has_its_facts(engine):
    container = await engine.containers.create(sh("exit 5"))
    await engine.containers.start(container.id)
    assert await engine.containers.wait(container.id) == 5
    state = (await engine.containers.get(container.id)).state
    assert (state.status, state.exit_code, state.pid, state.error) == ("exited", 5, 0, "")
    assert 0 < state.started_at < state.finished_at


async def test_a_running_container_says_its_pid(engine):
    container = await started(engine, sh(FOREVER))
    assert container.state.status == "running"
    assert os.path.exists(f"/proc/{container.state.pid}")


async def test_stop_lets_the_command_end_by_itself(engine):
    container = await started(engine, sh(FOREVER))
    await ready(engine, container)
    await engine.containers.stop(container.id)
    assert (await engine.containers.get(container.id)).state.exit_code == 7


async def test_stop_kills_after_the_timeout(engine):
    container = await started(engine, sh(DEAF))
    await ready(engine, container)
    begun = time.monotonic()
    await engine.containers.stop(container.id, timeout=1)
    assert 0.9 < time.monotonic() - begun < 5
    assert (await engine.containers.get(container.id)).state.exit_code == 137


async def test_stop_sends_the_signal_that_was_asked_for_at_create(engine):
    container = await started(
        engine, sh("trap 'exit 9' USR2; echo ready; while :; do sleep 0.05; done", stop_signal="SIGUSR2")
    )
    await ready(engine, container)
    await engine.containers.stop(container.id, timeout=5)
    assert (await engine.containers.get(container.id)).state.exit_code == 9


async def test_stop_of_a_stopped_container_does_nothing(engine):
    container = await engine.containers.create(sh("true"))
    await engine.containers.stop(container.id)
    assert (await engine.containers.get(container.id)).state.status == "created"


async def test_kill_sends_one_signal(engine):
    container = await started(
        engine, sh("trap 'echo got; exit 4' HUP; echo ready; while :; do sleep 0.05; done")
    )
    await ready(engine, container)
    await engine.containers.kill(container.id, "HUP")
    assert await engine.containers.wait(container.id) == 4


async def test_kill_of_a_stopped_container_is_a_conflict(engine):
    container = await engine.containers.create(sh("true"))
    with pytest.raises(Conflict, match="is not running"):
        await engine.containers.kill(container.id)


async def test_an_unknown_signal_is_refused(engine):
    container = await started(engine, sh(FOREVER))
    with pytest.raises(InvalidInput, match="Invalid signal: WHAT"):
        await engine.containers.kill(container.id, "WHAT")


async def test_a_paused_container_stands_still(engine):
    container = await started(engine, sh("while :; do date +%s%N; sleep 0.02; done"))
    await engine.containers.pause(container.id)
    assert (await engine.containers.get(container.id)).state.status == "paused"
    path = engine.paths.container_log(container.id)
    await asyncio.sleep(0.1)
    size = os.path.getsize(path)
    await asyncio.sleep(0.2)
    assert os.path.getsize(path) == size
    await engine.containers.unpause(container.id)
    await asyncio.sleep(0.2)
    assert os.path.getsize(path) > size


async def test_a_paused_container_can_be_stopped(engine):
    container = await started(engine, sh(FOREVER))
    await ready(engine, container)
    await engine.containers.pause(container.id)
    await engine.containers.stop(container.id, timeout=5)
    assert (await engine.containers.get(container.id)).state.exit_code == 7


async def test_pausing_twice_is_a_conflict(engine):
    container = await started(engine, sh(FOREVER))
    await engine.containers.pause(container.id)
    with pytest.raises(Conflict, match="already paused"):
        await engine.containers.pause(container.id)


async def test_restart_keeps_the_files_and_the_log(engine):
    container = await started(engine, sh("echo $(wc -l < /count); echo x >> /count; sleep 60"))
    await asyncio.sleep(0.2)
    await engine.containers.restart(container.id, timeout=0)
    await asyncio.sleep(0.2)
    log = [c.content async for c in engine.containers.logs(container.id, LogOptions(stderr=False))]
    assert b"".join(log).splitlines()[-1] == b"1"


async def test_a_container_with_rm_survives_a_restart_and_is_removed_at_its_end(engine):
    container = await started(engine, sh(FOREVER, auto_remove=True))
    await engine.containers.restart(container.id, timeout=5)
    assert (await engine.containers.get(container.id)).state.status == "running"
    await engine.containers.stop(container.id, timeout=5)
    with pytest.raises(NotFound):
        await engine.containers.get(container.id)


async def test_wait_returns_at_once_when_it_does_not_run(engine):
    container = await engine.containers.create(sh("exit 3"))
    assert await engine.containers.wait(container.id) == 0


async def test_wait_gives_the_exit_code_of_a_container_that_removes_itself(engine):
    container = await started(engine, sh("sleep 0.3; exit 6", auto_remove=True))
    assert await engine.containers.wait(container.id) == 6


async def test_rm_removes_the_container_when_it_ends(engine):
    code, out, _ = await run(engine, sh("echo hi; exit 2", auto_remove=True, name="gone"))
    assert (code, out) == (2, b"hi\n")
    assert await engine.containers.list(ContainerFilter(all=True)) == ()
    assert os.listdir(engine.paths.containers) == []


async def test_the_name_of_a_container_that_removed_itself_is_free(engine):
    for _ in range(3):
        await run(engine, sh("true", auto_remove=True, name="again"))


async def test_an_unknown_command_leaves_the_container_created(engine):
    container = await engine.containers.create(sh("", command=("/no/such",)))
    with pytest.raises(CommandNotFound):
        await engine.containers.start(container.id)
    state = (await engine.containers.get(container.id)).state
    assert (state.status, state.exit_code) == ("created", 127)
    assert "/no/such" in state.error
    assert not os.path.exists(engine.paths.container_run(container.id))


async def test_a_command_that_is_no_program_is_not_executable(engine):
    container = await engine.containers.create(sh("", command=("/etc",)))
    with pytest.raises(CommandNotExecutable):
        await engine.containers.start(container.id)
    assert (await engine.containers.get(container.id)).state.exit_code == 126


async def test_an_unknown_user_is_named(engine):
    container = await engine.containers.create(sh("true", user="nobody-here"))
    with pytest.raises(RuntimeFailure, match="unable to find user nobody-here"):
        await engine.containers.start(container.id)


async def test_attach_sees_what_comes_from_then_on(engine):
    container = await started(engine, sh("read line; echo got $line; exit 8", stdin_open=True))
    session = await engine.containers.attach(container.id, AttachOptions())
    await session.write(b"word\n")
    assert await everything(session) == (8, b"got word\n", b"")


async def test_attaching_to_a_stopped_container_is_a_conflict(engine):
    container = await engine.containers.create(sh("true"))
    with pytest.raises(Conflict, match="You cannot attach to a stopped container"):
        await engine.containers.attach(container.id, AttachOptions())


async def test_input_reaches_the_command_and_its_end_too(engine):
    container = await engine.containers.create(sh("cat", stdin_open=True))
    session = await engine.containers.start_attached(container.id, AttachOptions())
    await session.write(b"x" * 300_000)
    await session.end_input()
    code, out, _ = await everything(session)
    assert (code, len(out)) == (0, 300_000)


async def test_a_terminal_has_the_size_that_was_given(engine):
    container = await engine.containers.create(sh("stty size; tty", tty=True, stdin_open=True))
    session = await engine.containers.start_attached(container.id, AttachOptions(), size=(33, 77))
    assert await everything(session) == (0, b"33 77\r\n/dev/pts/0\r\n", b"")


async def test_exec_runs_beside_the_command(engine):
    container = await started(engine, sh(FOREVER, env=("A=1", "B=2")))
    options = ExecOptions(
        command=("sh", "-c", "echo $A $B $C; pwd; id -u; cat /proc/1/comm; exit 5"),
        env=("B=3", "C=4"),
        working_dir="/tmp",
        user="10",
    )
    session = await engine.containers.exec(container.id, options)
    assert await everything(session) == (5, b"1 3 4\n/tmp\n10\nsh\n", b"")


async def test_exec_of_an_unknown_command_says_so(engine):
    container = await started(engine, sh(FOREVER))
    with pytest.raises(CommandNotFound):
        await engine.containers.exec(container.id, ExecOptions(command=("nothing",)))


async def test_exec_in_a_stopped_container_is_a_conflict(engine):
    container = await engine.containers.create(sh("true"))
    with pytest.raises(Conflict, match="is not running"):
        await engine.containers.exec(container.id, ExecOptions(command=("true",)))


async def test_a_detached_exec_goes_on_alone(engine):
    container = await started(engine, sh(FOREVER))
    options = ExecOptions(command=("sh", "-c", "echo done > /done"), detach=True)
    assert await engine.containers.exec(container.id, options) is None
    for _ in range(100):
        session = await engine.containers.exec(container.id, ExecOptions(command=("cat", "/done")))
        if (await everything(session))[1] == b"done\n":
            return
        await asyncio.sleep(0.02)
    pytest.fail("the detached process did not run")


async def test_top_lists_the_processes(engine):
    container = await started(engine, sh("sleep 61 & sleep 62"))
    await asyncio.sleep(0.1)
    commands = {row[-1] for row in (await engine.containers.top(container.id)).rows}
    assert {"sleep 61", "sleep 62"} <= commands


async def test_a_container_outlives_the_engine_that_started_it(engine):
    container = await started(engine, sh("sleep 0.5; echo late; exit 9"))
    async with await Engine.open(engine.paths) as other:
        assert await other.containers.wait(container.id) == 9
        log = [chunk.content async for chunk in other.containers.logs(container.id, LogOptions())]
    assert log == [b"late\n"]


async def test_a_killed_supervisor_takes_the_container_along_and_is_folded(engine):
    container = await started(engine, sh(FOREVER))
    os.kill(lock_holder(engine.paths.container_lock(container.id)), signal.SIGKILL)
    await asyncio.sleep(0.1)
    state = (await engine.containers.get(container.id)).state
    assert (state.status, state.exit_code) == ("exited", 255)
    assert not os.path.exists(engine.paths.container_run(container.id))
    await engine.containers.start(container.id)
    assert (await engine.containers.get(container.id)).state.running


async def test_a_container_with_rm_whose_supervisor_was_killed_is_removed(engine):
    container = await started(engine, sh(FOREVER, auto_remove=True))
    os.kill(lock_holder(engine.paths.container_lock(container.id)), signal.SIGKILL)
    await asyncio.sleep(0.1)
    assert await engine.containers.list(ContainerFilter(all=True)) == ()
    assert os.listdir(engine.paths.containers) == []


async def test_a_container_that_cannot_be_cleaned_up_hides_no_other(engine):
    good, bad = await started(engine, sh("sleep 60")), await started(engine, sh(FOREVER))
    os.kill(lock_holder(engine.paths.container_lock(bad.id)), signal.SIGKILL)
    await asyncio.sleep(0.1)
    bundle = engine.paths.container_bundle(bad.id)
    os.rename(bundle, f"{bundle}.away")
    os.mkdir(bundle)
    listed = await engine.containers.list(ContainerFilter(all=True))
    assert {container.id for container in listed} == {good.id, bad.id}
    assert (await engine.containers.prune(PruneOptions())).removed == ()
    os.rmdir(bundle)
    os.rename(f"{bundle}.away", bundle)
    assert (await engine.containers.get(bad.id)).state.status == "exited"


async def test_remove_refuses_a_running_container(engine):
    container = await started(engine, sh(FOREVER))
    with pytest.raises(Conflict, match="container is running: stop the container before removing"):
        await engine.containers.remove(container.id, RemoveContainerOptions())


async def test_remove_with_force_leaves_nothing(engine):
    container = await started(engine, sh(DEAF))
    await engine.containers.remove(container.name, RemoveContainerOptions(force=True))
    assert os.listdir(engine.paths.containers) == []
    assert os.listdir(engine.paths.staging) == []
    with pytest.raises(NotFound):
        await engine.containers.get(container.id)


async def test_a_create_that_was_killed_is_finished_by_the_start(engine):
    container = await engine.containers.create(sh("echo fine"))
    shutil.rmtree(engine.paths.container(container.id))
    session = await engine.containers.start_attached(container.id, AttachOptions(stdin=False))
    assert await everything(session) == (0, b"fine\n", b"")


async def test_a_container_whose_folder_was_never_made_can_be_removed(engine):
    container = await engine.containers.create(sh("true"))
    shutil.rmtree(engine.paths.container(container.id))
    await engine.containers.remove(container.id, RemoveContainerOptions())
    assert await engine.containers.list(ContainerFilter(all=True)) == ()


async def test_a_run_syncs_the_disk_a_few_times_only(engine):
    """Two promises (it exists, it is to run) and their first use of a fresh write-ahead log."""
    script = (
        "import asyncio, sys; from engine.paths import Paths; from engine.engine import Engine;"
        " from engine.options import *\n"
        "async def main():\n"
        "    async with await Engine.open(Paths(root=sys.argv[1], run=sys.argv[2])) as engine:\n"
        "        options = CreateOptions(image='busybox', command=('true',), network='none', auto_remove=True)\n"
        "        container = await engine.containers.create(options)\n"
        "        await engine.containers.start_attached(container.id, AttachOptions(stdin=False))\n"
        "asyncio.run(main())"
    )
    command = ["strace", "-f", "-e", "trace=fsync,fdatasync,sync,syncfs", "-o", f"{engine.paths.run}/trace"]
    arguments = [sys.executable, "-c", script, engine.paths.root, engine.paths.run]
    process = await asyncio.create_subprocess_exec(*command, *arguments)
    assert await process.wait() == 0
    with open(f"{engine.paths.run}/trace") as file:
        syncs = [line for line in file if "sync(" in line]
    os.unlink(f"{engine.paths.run}/trace")
    assert not any(" sync(" in line or "syncfs" in line for line in syncs)
    assert len(syncs) <= 6


async def test_waiting_many_times_over_always_finds_the_end(engine):
    for code in range(8):
        container = await started(engine, sh(f"sleep 0.2; exit {code}", auto_remove=code % 2 == 1))
        assert await engine.containers.wait(container.id) == code
