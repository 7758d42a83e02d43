"""What the supervisor does while a container runs and when it ends: output, clients, signals, records."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket

import pytest

from engine import errors
from engine.runtime.frames import Frames
from engine.shim import lock, wire
from tests.engine.shim.conftest import finish
from tests.support.supervisor import ask, joined, kill, read_until

pytestmark = pytest.mark.root


async def test_input_reaches_the_command_and_ends(box):
    session = await box.start("cat", stdin=True)
    await session.write(b"one\n" * 1000)
    await session.end_input()
    assert await finish(session) == (0, b"one\n" * 1000, b"")


async def test_input_is_empty_when_it_is_not_open(box):
    assert await box.run("cat") == (0, b"", b"")


async def test_more_input_than_any_buffer_is_not_lost(box):
    session = await box.start("wc", "-c", stdin=True)
    for _ in range(64):
        await session.write(bytes(100_000))
    await session.end_input()
    assert (await finish(session))[1] == b"6400000\n"


async def test_output_is_complete_for_a_client_that_reads_late(box):
    session = await box.start("sh", "-c", "dd if=/dev/zero bs=64k count=300 2>/dev/null; echo end")
    while os.path.exists(box.last["run_dir"]):
        await asyncio.sleep(0.01)
    code, out, _ = await finish(session)
    assert (code, len(out), out[-4:]) == (0, 300 * 65536 + 4, b"end\n")


async def test_log_holds_the_bytes_and_one_record_a_chunk(box):
    await box.run("sh", "-c", "echo out; sleep 0.05; echo err >&2")
    with open(box.last["log_path"], "rb") as log, open(box.last["log_index_path"], "rb") as index:
        content, records = log.read(), list(wire.LOG_RECORD.iter_unpack(index.read()))
    assert content == b"out\nerr\n"
    assert [record[1:] for record in records] == [(0, 4, 1), (4, 4, 2)]


async def test_log_of_a_second_run_is_appended(box):
    await box.run("echo", "one")
    bundle = box.last
    bundle["process"]["args"] = ["echo", "two"]
    assert (await box.execute(bundle))[1] == b"two\n"
    with open(bundle["log_path"], "rb") as log:
        assert log.read() == b"one\ntwo\n"


async def test_state_tells_running_and_exited(box):
    session = await box.start("cat", stdin=True)
    with open(box.last["state_path"]) as file:
        running = json.load(file)
    assert running["status"] == "running"
    assert os.path.exists(f"/proc/{running['pid']}")
    await session.end_input()
    await session.wait()
    with open(box.last["state_path"]) as file:
        exited = json.load(file)
    assert (exited["status"], exited["exit_code"], exited["pid"]) == ("exited", 0, 0)
    assert exited["finished_at"] > exited["started_at"] > 0


async def test_lock_tells_the_supervisor_and_is_free_at_exit(box):
    session = await box.start("cat", stdin=True)
    pid = lock.lock_holder(box.last["lock_path"])
    assert pid == (await ask(box, "status"))["supervisor_pid"]
    await session.end_input()
    await session.wait()
    assert lock.lock_holder(box.last["lock_path"]) == 0
    assert not os.path.exists(box.last["run_dir"])


async def test_second_start_is_a_conflict(box):
    session = await box.start("cat", stdin=True)
    with pytest.raises(errors.Conflict, match="already running"):
        await box.launcher.supervise(box.last)
    await session.end_input()
    assert await session.wait() == 0


async def test_die_is_journalled_with_the_exit_code(box):
    await box.run("sh", "-c", "exit 3")
    with open(box.last["events_path"]) as file:
        event = json.loads(file.readlines()[-1])
    assert (event["type"], event["action"], event["id"]) == ("container", "die", box.last["id"])
    assert event["attributes"]["exitCode"] == "3"


async def test_auto_remove_removes_and_journals(box):
    bundle = box.bundle("true", auto_remove=True)
    bundle["remove_paths"] = [box.paths.container(bundle["id"])]
    assert (await box.execute(bundle))[0] == 0
    assert not os.path.exists(box.paths.container(bundle["id"]))
    with open(bundle["events_path"]) as file:
        assert [json.loads(line)["action"] for line in file] == ["start", "die", "destroy"]


async def test_detached_container_outlives_its_spawner(box, launcher):
    await launcher.supervise(box.bundle("sleep", "1000"))
    launcher.close()
    assert (await ask(box, "status"))["status"] == "running"
    await kill(box)


async def test_signal_is_delivered(box):
    session = await box.start("sh", "-c", "trap 'exit 9' USR1; echo up; while :; do sleep 0.01; done")
    await read_until(session, b"up")
    await ask(box, "signal", signal=int(signal.SIGUSR1))
    assert await session.wait() == 9


async def test_termination_of_the_supervisor_asks_the_container_to_stop(box):
    session = await box.start(
        "sh", "-c", "trap 'exit 8' INT; echo up; while :; do sleep 0.01; done", stop_signal=int(signal.SIGINT)
    )
    await read_until(session, b"up")
    os.kill(lock.lock_holder(box.last["lock_path"]), signal.SIGTERM)
    assert await session.wait() == 8


async def test_attach_gets_what_comes_and_replay_what_came(box):
    first = await box.start("sh", "-c", "echo early; read x; echo late", stdin=True)
    await read_until(first, b"early")
    later = await joined(box, "attach", stdin=True)
    whole = await joined(box, "attach", replay=True)
    await later.write(b"\n")
    assert (await finish(later))[1] == b"late\n"
    assert (await finish(whole))[1] == b"early\nlate\n"
    assert (await finish(first))[1] == b"late\n"


async def test_detach_leaves_the_container_and_its_input(box):
    session = await box.start("cat", stdin=True)
    await session.detach()
    session = await joined(box, "attach", stdin=True)
    await session.write(b"still\n")
    await session.end_input()
    assert await finish(session) == (0, b"still\n", b"")


async def test_wait_gets_the_exit_code(box):
    session = await box.start("sh", "-c", "read x; exit 6", stdin=True)
    waiting = await joined(box, "wait")
    await session.end_input()
    assert (await session.wait(), await waiting.wait()) == (6, 6)


async def test_unknown_operation_and_version_are_refused(box):
    session = await box.start("cat", stdin=True)
    with pytest.raises(
        errors.SupervisorTooOld, match="started by an older tuidock, which does not know 'fly'"
    ):
        await ask(box, "fly")
    with pytest.raises(errors.RuntimeFailure, match="version 99 of the wire is not understood"):
        await ask(box, "status", version=99)
    await session.end_input()
    await session.wait()


async def test_noise_on_the_socket_hurts_nobody(box):
    session = await box.start("cat", stdin=True)
    with socket.socket(socket.AF_UNIX) as noise:
        noise.connect(box.last["socket_path"])
        noise.sendall(b"GET / HTTP/1.0\r\n\r\n" * 10)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.to_thread(noise.recv, 10) == b""
    await session.write(b"alive\n")
    await session.end_input()
    assert (await finish(session))[1] == b"alive\n"


async def test_pause_stops_and_unpause_continues(box):
    session = await box.start("sh", "-c", "while :; do echo x; sleep 0.005; done")
    await ask(box, "pause")
    assert (await ask(box, "status"))["status"] == "paused"
    with pytest.raises(errors.Conflict, match="already paused"):
        await ask(box, "pause")
    await asyncio.sleep(0.05)
    size = os.path.getsize(box.last["log_path"])
    await asyncio.sleep(0.1)
    assert os.path.getsize(box.last["log_path"]) == size
    await ask(box, "unpause")
    await asyncio.sleep(0.1)
    assert os.path.getsize(box.last["log_path"]) > size
    await kill(box)
    session.close()


async def test_a_held_pause_ends_with_its_connection(box):
    await box.launcher.supervise(box.bundle("sleep", "60"))
    held = await joined(box, "pause", held=True)
    assert (await ask(box, "status"))["status"] == "paused"
    held.close()
    async with asyncio.timeout(10):
        while (await ask(box, "status"))["status"] != "running":
            await asyncio.sleep(0.01)
    await kill(box)


async def test_a_held_pause_that_was_ended_does_not_end_the_next(box):
    await box.launcher.supervise(box.bundle("sleep", "60"))
    held = await joined(box, "pause", held=True)
    await ask(box, "unpause")
    await ask(box, "pause")
    held.close()
    await asyncio.sleep(0.1)
    assert (await ask(box, "status"))["status"] == "paused"
    await ask(box, "unpause")
    await kill(box)


async def test_paused_container_can_be_killed(box):
    session = await box.start("sleep", "1000")
    await ask(box, "pause")
    await kill(box)
    assert await session.wait() == 137


async def test_what_init_leaves_behind_dies_with_it(box):
    session = await box.start("sh", "-c", "sleep 1000 & sleep 1000 & echo up")
    assert (await finish(session))[0] == 0


async def test_terminal_has_a_size_and_takes_a_new_one(box):
    session = await box.start("sh", stdin=True, tty=True, size=(33, 99))
    await session.write(b"stty size\n")
    await read_until(session, b"33 99")
    await session.resize(11, 22)
    await session.write(b"stty size\n")
    await read_until(session, b"11 22")
    await session.write(b"exit 4\n")
    assert await session.wait() == 4


async def test_terminal_is_the_console_and_has_job_control(box):
    session = await box.start("sh", stdin=True, tty=True)
    await session.write(b"tty; sh -c 'echo h''i > /dev/console; exec sleep 1000'\n")
    assert b"/dev/pts/0" in await read_until(session, b"hi\r\n")
    await session.write(b"\x03")
    await session.write(b"echo $((40 + 2))\n")
    await read_until(session, b"42\r\n")
    await session.write(b"exit\n")
    await session.wait()


async def test_published_port_that_is_taken(box):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        number = holder.getsockname()[1]
        port = {"host_ip": "127.0.0.1", "host_port": number, "protocol": "tcp"}
        with pytest.raises(errors.NetworkFailure, match="port is already allocated"):
            await box.run("true", network={"host": [], "container": [], "teardown": [], "ports": [port]})


async def test_published_port_is_held_while_the_container_runs(box):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    port = {"host_ip": "127.0.0.1", "host_port": number, "protocol": "tcp"}
    session = await box.start(
        "cat", stdin=True, network={"host": [], "container": [], "teardown": [], "ports": [port]}
    )
    with socket.socket() as probe, pytest.raises(OSError, match="in use"):
        probe.bind(("127.0.0.1", number))
    await session.end_input()
    await session.wait()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", number))


async def test_step_gives_output_and_exit_code_and_leaves_no_record(box):
    bundle, output = box.bundle("sh", "-c", "echo out; echo err >&2; exit 4"), []
    assert await box.launcher.run_step(bundle, lambda stream, content: output.append((stream, content))) == 4
    assert sorted(output) == [("stderr", b"err\n"), ("stdout", b"out\n")]
    assert not os.path.exists(bundle["state_path"])
    assert not os.path.exists(bundle["run_dir"])


async def test_step_waits_for_a_slow_reader(box):
    total = 0

    def count(_stream: str, content: bytes) -> None:
        nonlocal total
        total += len(content)

    script = "dd if=/dev/zero bs=64k count=200 2>/dev/null; echo end"
    assert await box.launcher.run_step(box.bundle("sh", "-c", script), count) == 0
    assert total == 200 * 65536 + 4


async def test_upper_directory_of_a_step_is_free_when_it_is_over(box):
    """A mount that is still there would refuse a second one on the same work directory (index=on)."""
    for _ in range(10):
        bundle = box.bundle("sh", "-c", "echo x > /file; sleep 1000 & true")
        assert await box.launcher.run_step(bundle, lambda _stream, _content: None) == 0
        result = await box.launcher.work(
            "tests.support.bundles:mount_exclusively", {"rootfs": bundle["rootfs"]}
        )
        assert result == "mounted"


async def test_cancelled_step_is_dead_when_the_cancellation_arrives(box):
    bundle = box.bundle("sh", "-c", "echo up; sleep 1000")
    up = asyncio.Event()
    task = asyncio.create_task(box.launcher.run_step(bundle, lambda _stream, _content: up.set()))
    await up.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not any(os.path.exists(path) for path in bundle["cgroup"]["kill"])


async def test_nonsense_from_a_client_hurts_nobody(box):
    session = await box.start("cat", stdin=True, tty=True)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(box.last["socket_path"])
    client = Frames(connection)
    await client.send(wire.RESIZE, b"nonsense")
    assert await client.read() is None
    client.close()
    await session.write(b"alive\n")
    await read_until(session, b"alive")
    await kill(box)
    await session.wait()


async def test_memory_limit_kills_and_says_so(box):
    bundle = box.bundle("sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1")
    group = next((path for path in bundle["cgroup"]["kill"] if "/memory/" in path), None)
    if group is None:
        group, limit = bundle["cgroup"]["kill"][0], "memory.max"
        bundle["cgroup"]["memory_events"] = f"{group}/memory.events"
    else:
        limit = "memory.limit_in_bytes"
    bundle["cgroup"]["writes"] = [[f"{group}/{limit}", str(16 << 20)]]
    assert (await box.execute(bundle))[0] == 137
    with open(bundle["state_path"]) as file:
        assert json.load(file)["oom_killed"] is True


async def test_hundreds_of_published_ports_are_all_held(box):
    address, ports = "127.77.7.7", range(21000, 21250)
    published = [{"host_ip": address, "host_port": port, "protocol": "udp"} for port in ports]
    network = {"host": [], "container": [], "teardown": [], "ports": published}
    session = await box.start("cat", stdin=True, network=network)
    taken = 0
    for port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                taken += 1
    await session.end_input()
    assert (taken, await session.wait()) == (len(ports), 0)


async def test_a_machine_that_shuts_down_does_not_interrupt_the_record_of_an_end(box):
    from engine.shim.container import Container
    from engine.shim.supervisor import Supervisor

    ended = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)
    container = Container(box.bundle("true", log_path=None))
    container.pid, container.pidfd = ended.pid, os.pidfd_open(ended.pid)  # while it cannot have been reaped
    await ended.communicate(b"")
    with pytest.raises(ProcessLookupError):
        container.signal(signal.SIGTERM)
    Supervisor(container)._on_terminate(signal.SIGTERM, None)
    os.close(container.pidfd)
