from __future__ import annotations

import asyncio
import os
import signal

import pytest

from engine.errors import CommandNotFound
from engine.options import LogOptions
from engine.runtime import init
from tests.support.containers import run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]


@pytest.fixture(params=["the machine's", "our own"])
def chosen(request, monkeypatch):
    """The init of the machine, or ours, as where there is none."""
    if request.param == "our own":
        monkeypatch.setattr(init, "_NAMES", ())
    return request.param


async def test_it_is_pid_1_and_keeps_the_exit_code(engine, chosen):
    code, out, _ = await run(engine, sh("echo $$; tr '\\0' ' ' < /proc/1/cmdline; exit 7", init=True))
    pid, line = out.decode().split("\n")
    assert (code, pid) == (7, "2")
    assert line.startswith("/sbin/docker-init -- ")
    assert ("/bin/sh sh -c" in line) is (chosen == "our own")


@pytest.mark.usefixtures("chosen")
async def test_zombies_are_reaped(engine):
    script = "(sleep 0.05 & sleep 0.05 &) ; sleep 0.2; ls -d /proc/[0-9]* | wc -l"
    _, out, _ = await run(engine, sh(script, init=True))
    assert out.split() == [b"4"]  # init, sh, ls and wc: nothing of the two orphans


@pytest.mark.usefixtures("chosen")
async def test_a_stop_reaches_the_command(engine):
    script = "trap 'echo got; exit 5' TERM; echo up; while :; do sleep 0.01; done"
    container = await started(engine, sh(script, init=True))
    async for chunk in engine.containers.logs(container.id, LogOptions(follow=True)):
        if b"up" in chunk.content:
            break
    await engine.containers.stop(container.id)
    assert (await engine.containers.get(container.id)).state.exit_code == 5


@pytest.mark.usefixtures("chosen")
async def test_a_command_that_was_killed_gives_128_plus_the_signal(engine):
    container = await started(engine, sh("kill -9 $$", init=True))
    assert await engine.containers.wait(container.id) == 128 + signal.SIGKILL


@pytest.mark.usefixtures("chosen")
async def test_with_a_terminal_the_command_has_it(engine):
    script = "set -- $(cat /proc/self/stat); [ $5 = $8 ] && echo fine; exit 3"  # its group, the terminal's
    code, out, _ = await run(engine, sh(script, init=True, tty=True))
    assert (code, out) == (3, b"fine\r\n")


async def test_our_own_tells_of_a_command_that_is_not_there(engine, monkeypatch):
    monkeypatch.setattr(init, "_NAMES", ())
    with pytest.raises(CommandNotFound, match='"nowhere": executable file not found in \\$PATH'):
        await run(engine, sh("", command=("nowhere",), init=True))


async def test_a_process_that_was_executed_beside_it_is_reaped_too(engine, monkeypatch):
    """Its parent is the supervisor's, but what that one leaves behind is init's."""
    monkeypatch.setattr(init, "_NAMES", ())
    from engine.options import ExecOptions

    container = await started(engine, sh("exec sleep 1000", init=True))
    await (
        await engine.containers.exec(container.id, ExecOptions(command=("sh", "-c", "sleep 0.05 &")))
    ).wait()
    async with asyncio.timeout(5):
        while len(_children(container.state.pid)) > 1:
            await asyncio.sleep(0.01)


def _children(pid: int) -> list[str]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [child for child in file.read().split() if os.path.exists(f"/proc/{child}")]
