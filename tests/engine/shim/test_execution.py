"""What exec sessions beside a running container's init do."""

from __future__ import annotations

import asyncio

import pytest

from engine import errors
from tests.engine.shim.conftest import finish
from tests.support.supervisor import ask, joined, kill

pytestmark = pytest.mark.root


async def test_exec_runs_beside_init(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    script = "hostname; readlink /proc/self/ns/pid; readlink /proc/1/ns/pid; exit 5"
    code, out, _ = await finish(await joined(box, "exec", args=["sh", "-c", script]))
    name, own, init = out.split()
    assert (code, name, own == init) == (5, b"box", True)
    await kill(box)


async def test_exec_has_input_user_and_directory(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    script = "cat; id -u; pwd"
    session = await joined(box, "exec", args=["sh", "-c", script], stdin=True, user="7", cwd="/tmp")
    await session.write(b"in\n")
    await session.end_input()
    assert await finish(session) == (0, b"in\n7\n/tmp\n", b"")
    await kill(box)


async def test_exec_on_a_terminal(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    session = await joined(box, "exec", args=["sh"], stdin=True, tty=True, size=[7, 9])
    await session.write(b"stty size; exit 3\n")
    code, out, _ = await finish(session)
    assert (code, b"7 9" in out) == (3, True)
    await kill(box)


async def test_exec_of_nothing_that_exists(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    with pytest.raises(errors.CommandNotFound, match="executable file not found"):
        await joined(box, "exec", args=["nosuch"])
    await kill(box)


async def test_exec_does_not_block_the_supervisor_and_dies_with_the_container(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    session = await joined(box, "exec", args=["sleep", "1000"])
    await ask(box, "exec", args=["sleep", "1000"], detach=True)
    assert (await ask(box, "status"))["execs"] == 2
    await kill(box)
    assert await session.wait() == 137


async def test_exec_with_a_client_that_does_not_read_loses_nothing(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    session = await joined(box, "exec", args=["dd", "if=/dev/zero", "bs=64k", "count=100"])
    await asyncio.sleep(0.2)
    code, out, _ = await finish(session)
    assert (code, len(out)) == (0, 6553600)
    await kill(box)


async def test_exec_into_a_container_that_ends_is_a_conflict(box):
    """Its init is dead, its supervisor not yet done: the exec says what Docker says."""
    session = await box.start("sh", "-c", "read x", stdin=True)
    script = ["sh", "-c", "exit 0"]
    outcomes = set()
    await session.end_input()
    for _ in range(20):
        try:
            outcomes.add(await (await joined(box, "exec", args=script)).wait())
        except (errors.Conflict, OSError) as error:
            outcomes.add(type(error))
    assert outcomes <= {
        0,
        137,
        errors.Conflict,
        ConnectionResetError,
        ConnectionRefusedError,
        FileNotFoundError,
    }
    assert await session.wait() == 1
