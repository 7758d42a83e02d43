"""Who is attached to a container's output gets it, however slowly it reads, from a log that is bounded."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.engine.shim.conftest import finish
from tests.support.supervisor import ask, joined, kill, read_until

pytestmark = pytest.mark.root


async def _ended(bundle) -> None:
    while not _exited(bundle):
        await asyncio.sleep(0.02)


def _exited(bundle) -> bool:
    try:
        with open(bundle["state_path"]) as file:
            return '"exited"' in file.read()
    except FileNotFoundError:
        return False


async def test_a_client_that_lags_over_rotations_gets_the_rest_and_no_torn_line(box):
    bound = {"max_size": 300_000, "max_files": 3}
    session = await box.start("seq", "1", "500000", log=bound)
    await _ended(box.last)
    code, out, _ = await finish(session)
    last = out.split()[-50_000:]
    assert (code, last) == (0, [b"%d" % number for number in range(450_001, 500_001)])
    assert len(out) < 3_388_895  # all of it


async def test_binary_output_is_kept_byte_for_byte_over_rotations(box):
    code, out, _ = await box.run("cat", "/bin/busybox", log={"max_size": 1 << 20, "max_files": 9})
    path, kept = box.last["log_path"], b""
    for name in (*(f"{path}.{number}" for number in range(9, 0, -1)), path):
        if os.path.exists(name):
            with open(name, "rb") as file:
                kept += file.read()
    assert os.path.exists(f"{path}.1")
    assert (code, kept == out) == (0, True)


async def test_a_container_without_a_log_shows_the_last_of_it_again(box):
    first = await box.start("sh", "-c", "echo before; cat", stdin=True, log=None)
    await read_until(first, b"before")
    second = await joined(box, "attach", replay=True)
    await read_until(second, b"before")
    assert not os.path.exists(box.last["log_path"])
    await kill(box)
    assert [await session.wait() for session in (first, second)] == [137, 137]


async def test_as_much_is_replayed_as_is_asked_for(box):
    script = "for i in 1 2 3; do echo $i; read x; done"
    whole = await box.start("sh", "-c", script, stdin=True)
    for line in (b"1\n", b"2\n", b"3\n"):
        await read_until(whole, line)
        if line != b"3\n":
            await whole.write(b"\n")
    some = await joined(box, "attach", replay=2)
    assert await some.read() == ("stdout", b"3\n")
    await kill(box)
    assert [await session.wait() for session in (whole, some)] == [137, 137]


async def test_the_input_of_a_container_for_many_stays_open(box):
    await box.launcher.supervise(box.bundle("cat", stdin_open=True, stdin_once=False))
    for word in (b"one", b"two"):
        session = await joined(box, "attach", stdin=True)
        await session.write(word)
        await session.end_input()
        await read_until(session, word)
        session.close()
    assert (await ask(box, "status"))["status"] == "running"
    await kill(box)
