"""What comes back from a worker or session: results, reports, errors as themselves, and its death."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from engine import errors
from engine.runtime.launcher import Launcher
from engine.shim.worker import process_start_time

WORK = "tests.support.workers:"


@pytest.fixture
async def launcher():
    opened = Launcher.open()
    yield opened
    opened.close()


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] != b"Z"
    except FileNotFoundError:
        return False


async def test_result_is_returned_and_arguments_and_descriptors_arrive(launcher, tmp_path):
    (tmp_path / "file").write_text("inside")
    with open(tmp_path / "file") as file:
        result = await launcher.work(WORK + "echo", {"a": [1, "é"]}, fds=[file.fileno()])
    assert (result["arguments"], result["contents"]) == ({"a": [1, "é"]}, ["inside"])
    assert result["pid"] != os.getpid()


async def test_reports_arrive_in_order(launcher):
    seen = []
    assert await launcher.work(WORK + "count", {"to": 1000}, on_report=seen.append) == "counted"
    assert seen == list(range(1000))


async def test_reports_that_nobody_wants_are_dropped(launcher):
    assert await launcher.work(WORK + "count", {"to": 3}) == "counted"


async def test_many_workers_at_once(launcher):
    results = await asyncio.gather(*(launcher.work(WORK + "echo", {"n": n}) for n in range(20)))
    assert [result["arguments"]["n"] for result in results] == list(range(20))
    assert len({result["pid"] for result in results}) == 20


async def test_not_found_comes_back_as_itself(launcher):
    with pytest.raises(errors.NotFound) as caught:
        await launcher.work(WORK + "fail", {"error": "NotFound"})
    assert (caught.value.kind, caught.value.name, caught.value.remedy) == ("image", "nosuch", "pull it")
    assert str(caught.value) == "No such image: nosuch"


async def test_syntax_error_keeps_its_caret(launcher):
    with pytest.raises(errors.DockerfileSyntaxError) as caught:
        await launcher.work(WORK + "fail", {"error": "DockerfileSyntaxError"})
    assert caught.value.caret() == "abcdef\n ^^^"


async def test_build_failure_keeps_exit_code_and_output(launcher):
    with pytest.raises(errors.BuildFailed) as caught:
        await launcher.work(WORK + "fail", {"error": "BuildFailed"})
    assert (caught.value.exit_code, caught.value.output) == (9, ("a", "b"))


async def test_runtime_failure_keeps_its_fields(launcher):
    with pytest.raises(errors.RuntimeFailure) as caught:
        await launcher.work(WORK + "fail", {"error": "RuntimeFailure"})
    assert (caught.value.stage, caught.value.syscall, caught.value.errno_name) == ("here", "mount", "ENOENT")


async def test_system_call_that_failed_names_the_path(launcher):
    with pytest.raises(errors.RuntimeFailure, match="/no/such/file: No such file or directory"):
        await launcher.work(WORK + "miss", {})


async def test_defect_is_explained(launcher):
    with pytest.raises(errors.RuntimeFailure, match="ZeroDivisionError: a defect"):
        await launcher.work(WORK + "break_down", {})


async def test_unknown_call_is_explained(launcher):
    with pytest.raises(errors.RuntimeFailure, match="No module named"):
        await launcher.work("tests.support.nosuch:call", {})


async def test_worker_that_dies_is_an_error(launcher):
    with pytest.raises(errors.RuntimeFailure, match="died before it had finished"):
        await launcher.work(WORK + "die", {})


@pytest.mark.parametrize("call", ["hang", "spin"])
async def test_cancelling_kills_the_worker_and_its_children(launcher, call):
    pids, known = [], asyncio.Event()

    def remember(value):
        pids.extend(value)
        known.set()

    task = asyncio.create_task(launcher.work(WORK + call, {}, on_report=remember))
    await known.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while any(is_running(pid) for pid in pids):  # killed, its socket closed, on the last bit of its way out
        await asyncio.sleep(0.001)


async def test_workers_die_with_the_launcher():
    launcher, pids, known = Launcher.open(), [], asyncio.Event()

    def remember(value):
        pids.extend(value)
        known.set()

    task = asyncio.create_task(launcher.work(WORK + "hang", {}, on_report=remember))
    await known.wait()
    launcher.close()
    with pytest.raises(errors.RuntimeFailure):
        await task
    for _ in range(100):
        if not is_running(pids[0]):
            break
        await asyncio.sleep(0.02)
    assert not is_running(pids[0])
    with contextlib.suppress(ProcessLookupError):
        os.kill(pids[1], signal.SIGKILL)  # whether it dies too depends on which end the worker sees first


async def test_nothing_is_printed_by_workers(launcher, capfd):
    await launcher.work(WORK + "write", {})
    assert capfd.readouterr() == ("", "")


async def test_killed_spawner_is_replaced(launcher):
    os.kill(launcher._pid, signal.SIGKILL)
    os.waitpid(launcher._pid, 0)
    assert await launcher.work(WORK + "count", {"to": 0}) == "counted"


async def test_session_lives_in_a_session_of_its_own(launcher):
    pid, start_time = await launcher.session(["sleep", "1000"], {"PATH": os.environ["PATH"]}, "/")
    try:
        assert os.getsid(pid) == pid
        assert process_start_time(pid) == start_time
        assert os.readlink(f"/proc/{pid}/fd/1") == "/dev/null"
        launcher.close()
        assert is_running(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_session_inherits_nothing_and_keeps_nobody_waiting(launcher):
    begun = time.monotonic()
    pid, _ = await launcher.session(["sleep", "1000"], {"PATH": os.environ["PATH"]}, "/")
    try:
        assert time.monotonic() - begun < 4
        assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    finally:
        os.kill(pid, signal.SIGKILL)


async def test_session_of_a_program_that_is_not_there(launcher):
    with pytest.raises(errors.RuntimeFailure, match="nosuch: No such file or directory"):
        await launcher.session(["nosuch"], {"PATH": "/bin"}, "/")


def test_forked_spawner_serves_and_ends_with_its_front_end():
    program = (
        "import os, sys; sys.path[:0] = [sys.argv[1]]\n"
        "from engine.shim.spawner import fork_spawner\n"
        "early = sorted(name for name in sys.modules if name.startswith('engine'))\n"
        "socket = fork_spawner()\n"
        "import asyncio\n"
        "from engine.runtime.launcher import Launcher\n"
        "print(early, asyncio.run(Launcher.open(socket).work('tests.support.workers:count', {'to': 0})))\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    done = subprocess.run(
        [sys.executable, "-c", program, root], capture_output=True, text=True, timeout=20, check=True
    )
    early = ["engine", *(f"engine.shim{name}" for name in ("", ".signals", ".sockets", ".spawner"))]
    assert done.stdout == f"{early} counted\n"
    assert done.stderr == ""
