"""A log is read over its rotations, also those that happen meanwhile."""

from __future__ import annotations

import asyncio
import os

import pytest

from engine.options import LogOptions
from engine.runtime.log_files import LogFiles
from engine.runtime.logs import read_log
from engine.shim.log import ContainerLog
from tests.support.descriptors import closed_below

SIZE, FILES = 4096, 3


@pytest.fixture(autouse=True)
def _closed(tmp_path):
    """A supervisor's log is open as long as the supervisor lives."""
    with closed_below(str(tmp_path)):
        yield


@pytest.fixture
def paths(tmp_path):
    return str(tmp_path / "log"), str(tmp_path / "log.idx")


def lines(start: int, end: int) -> bytes:
    return b"".join(b"%07d\n" % number for number in range(start, end))


async def everything(paths, **options) -> bytes:
    return b"".join([chunk.content async for chunk in read_log(*paths, LogOptions(**options))])


async def test_rotated_files_are_read_in_order(paths):
    log = ContainerLog(*paths, SIZE, FILES)
    for number in range(60):
        log.append(1, lines(number * 10, number * 10 + 10))
    found = await everything(paths)
    assert lines(0, 600).endswith(found)
    assert len(found) > 2 * (SIZE - 2000)


async def test_the_tail_goes_over_files(paths):
    log = ContainerLog(*paths, SIZE, FILES)
    for number in range(600):
        log.append(1, lines(number, number + 1))
    assert await everything(paths, tail=200) == lines(400, 600)


async def test_a_line_that_was_cut_by_a_rotation_is_whole(paths):
    log = ContainerLog(*paths, 1024, FILES)
    log.append(1, b"x" * 1500 + b"\n")
    assert os.path.exists(f"{paths[0]}.1")
    assert await everything(paths) == b"x" * 1500 + b"\n"


async def test_readers_amid_rotations_see_whole_lines_in_order(paths):
    log, written = ContainerLog(*paths, SIZE, FILES), 0

    def write_some() -> None:
        nonlocal written
        for _ in range(40):
            log.append(1, lines(written, written + 10))
            written += 10

    for _ in range(40):
        writing = asyncio.get_running_loop().run_in_executor(None, write_some)
        found = (await everything(paths)).split()
        await writing
        numbers = [int(line) for line in found]
        assert numbers == list(range(written))[slice(*numbers[:1], None)][: len(numbers)]


class Running:
    """A log that is written, and the lock and the process that say so."""

    def __init__(self, paths, tmp_path) -> None:
        self.paths, self.lock = paths, str(tmp_path / "lock")
        with open(self.lock, "x"):
            pass

    async def follow(self, found: list[bytes]) -> None:
        process = os.pidfd_open(os.getpid())
        async for chunk in read_log(*self.paths, LogOptions(follow=True), self.lock, process):
            found += [chunk.content]


async def test_a_follower_goes_along_with_rotations(paths, tmp_path):
    log, running, found = ContainerLog(*paths, SIZE, FILES), Running(paths, tmp_path), []
    following = asyncio.ensure_future(running.follow(found))
    for number in range(300):
        log.append(1, lines(number * 5, number * 5 + 5))
        if number % 10 == 0:
            await asyncio.sleep(0.001)
            while b"".join(found)[-8:] != lines(number * 5 + 4, number * 5 + 5):
                await asyncio.sleep(0.001)
    os.unlink(running.lock)
    await following
    assert b"".join(found) == lines(0, 1500)


async def test_a_follower_that_was_left_behind_goes_on_with_what_there_is(paths, tmp_path):
    log, running, found = ContainerLog(*paths, 1024, 2), Running(paths, tmp_path), []
    log.append(1, b"first\nhalf a li")
    following = asyncio.ensure_future(running.follow(found))
    while not found:
        await asyncio.sleep(0.001)
    for letter in b"abcdef":
        log.append(1, bytes([letter]) * 900 + b"\n")
    os.unlink(running.lock)
    await following
    assert b"".join(found) == b"first\nhalf a li" + b"".join(bytes([x]) * 900 + b"\n" for x in b"aef")


async def test_what_was_found_is_read_though_it_is_removed(paths):
    log = ContainerLog(*paths, 1024, 2)
    log.append(1, b"old\n")
    files = LogFiles(*paths)
    for _ in range(3):
        log.append(1, b"n" * 990)
    found = await files.records(0, files.count)
    files.close()
    assert [content for _, content in found] == [b"old\n"]
