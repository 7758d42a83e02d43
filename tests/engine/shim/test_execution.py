"""What exec sessions beside a running container's init do."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket

import pytest

from engine import errors
from engine.shim import sockets, wire
from engine.shim.execution import Execution
from tests.engine.shim.conftest import finish
from tests.support.supervisor import ask, joined, kill, read_until

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


async def sessions(box):
    return await ask(box, "exec_list")


async def test_a_session_outlives_its_client_and_shows_the_next_one_all(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    first = await joined(box, "exec", args=["sh"], stdin=True, tty=True, exec_id="abc")
    await first.write(b"echo on$((1))e\n")
    await read_until(first, b"on1e")
    first.close()
    while (await sessions(box))[0]["clients"]:
        await asyncio.sleep(0.01)
    again = await joined(box, "exec_attach", exec_id="a", stdin=True, replay=True)
    await read_until(again, b"on1e")
    await again.write(b"exit 4\n")
    assert await again.wait() == 4
    await kill(box)


async def test_all_clients_of_a_session_see_it_and_type(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    first = await joined(box, "exec", args=["sh"], stdin=True, tty=True, exec_id="abc")
    second = await joined(box, "exec_attach", exec_id="abc", stdin=True, size=[11, 22])
    await second.write(b"stty size; echo fr$((2))m\n")
    seen = [await read_until(session, b"fr2m") for session in (first, second)]
    await first.write(b"exit 6\n")
    codes = [await session.wait() for session in (first, second)]
    assert ([b"11 22" in text for text in seen], codes) == ([True, True], [6, 6])
    await kill(box)


async def test_what_nobody_saw_of_the_end_is_kept(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    script = "echo out; echo err >&2; read x; echo last; exit 9"
    client = await joined(box, "exec", args=["sh", "-c", script], stdin=True, exec_id="abc")
    await read_until(client, b"out")
    client.close()
    while (await sessions(box))[0]["exit_code"] is None:
        await asyncio.sleep(0.01)
    late = await joined(box, "exec_attach", exec_id="abc", replay=True)
    assert await finish(late) == (9, b"out\nlast\n", b"err\n")
    await kill(box)


async def test_without_a_terminal_the_input_ends_with_its_client(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    (await joined(box, "exec", args=["cat"], stdin=True, exec_id="abc")).close()
    while (await sessions(box))[0]["exit_code"] is None:
        await asyncio.sleep(0.01)
    assert (await sessions(box))[0]["exit_code"] == 0
    await kill(box)


async def test_a_client_that_reads_nothing_holds_up_no_terminal(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    script = ["sh", "-c", "read x; seq 1 250000"]
    first = await joined(box, "exec", args=script, stdin=True, tty=True, exec_id="abc")
    stalled = await joined(box, "exec_attach", exec_id="abc")
    await first.write(b"\n")
    code, out, _ = await finish(first)
    stalled.close()
    assert (code, out.endswith(b"250000\r\n")) == (0, True)
    await kill(box)


async def test_a_session_whose_fork_is_killed_ends_with_its_process(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    client = await joined(box, "exec", args=["sleep", "1000"], exec_id="abc")
    process = (await sessions(box))[0]["pid"]
    with open(f"/proc/{process}/stat") as file:
        fork = int(file.read().rpartition(")")[2].split()[1])
    pidfd = os.pidfd_open(process)
    os.kill(fork, signal.SIGKILL)
    while (await sessions(box))[0]["exit_code"] is None:
        await asyncio.sleep(0.01)
    assert (await sessions(box))[0]["exit_code"] == 137
    assert await asyncio.to_thread(select.select, [pidfd], [], [], 10) == ([pidfd], [], [])
    os.close(pidfd)
    client.close()
    await kill(box)


async def test_sixty_four_clients_are_served(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    script = ["sh", "-c", "read x; seq 1 3000; exit 3"]
    first = await joined(box, "exec", args=script, stdin=True, exec_id="abc")
    others = [await joined(box, "exec_attach", exec_id="abc") for _ in range(63)]
    await first.write(b"\n")
    results = await asyncio.gather(*(finish(session) for session in (first, *others)))
    assert {(code, len(out)) for code, out, _ in results} == {(3, 13893)}
    await kill(box)


async def test_a_client_that_dies_amid_a_frame_hurts_nobody(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    first = await joined(box, "exec", args=["cat"], stdin=True, exec_id="abc")
    with socket.socket(socket.AF_UNIX) as torn:
        torn.connect(box.last["socket_path"])
        request = {"version": wire.VERSION, "op": "exec_attach", "exec_id": "abc", "stdin": True}
        torn.sendall(wire.pack(wire.REQUEST, json.dumps(request).encode()))
        torn.recv(wire.HEADER.size)
        torn.sendall(wire.pack(wire.STDIN, b"half a frame")[:-3])
    await first.write(b"whole")
    await first.end_input()
    assert await finish(first) == (0, b"whole", b"")
    await kill(box)


async def test_only_the_last_sessions_are_remembered(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    for number in range(66):
        await ask(box, "exec", args=["true"], detach=True, exec_id=f"n{number}")
    while any(one["exit_code"] is None for one in await sessions(box)):
        await asyncio.sleep(0.01)
    assert len(await sessions(box)) <= 64
    await kill(box)


def test_who_comes_while_the_process_ends_is_told_so_by_one_of_the_two(tmp_path):
    supervisor, fork = sockets.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    first, (ours, theirs) = sockets.Socket(socket.AF_UNIX, socket.SOCK_STREAM), socket.socketpair()
    session = Execution({"run_dir": str(tmp_path)}, {"args": ["true"]}, -1, first, fork)
    session._loop.watch(fork.fileno(), select.POLLIN, session._on_client)
    sockets.send_fds(supervisor, [b"{}"], [theirs.fileno()])
    session._finish(3)
    told = wire.FrameReader().feed(ours.recv(4096))
    assert [kind for kind, _ in told] == [wire.RESULT, wire.EXIT]
    assert json.loads(told[1][1]) == {"exit_code": 3}
    with pytest.raises(BrokenPipeError):
        sockets.send_fds(supervisor, [b"{}"], [theirs.fileno()])
    session._clients[0].close()
    for one in (supervisor, fork, first, ours, theirs):
        one.close()


async def test_a_session_that_is_none_is_not_found(box):
    await box.launcher.supervise(box.bundle("sleep", "1000"))
    with pytest.raises(errors.NotFound, match="No such exec instance: zzz"):
        await joined(box, "exec_attach", exec_id="zzz")
    await kill(box)
