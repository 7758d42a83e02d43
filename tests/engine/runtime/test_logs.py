from __future__ import annotations

import asyncio
import contextlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.options import LogOptions
from engine.runtime.logs import read_log, split_lines
from engine.shim.wire import LOG_RECORD


def write_log(folder: str, chunks: list[tuple[int, int, bytes]]) -> tuple[str, str]:
    """``chunks`` are (time, stream, content)."""
    log, index, offset = f"{folder}/log", f"{folder}/log.idx", 0
    with open(log, "wb") as content, open(index, "wb") as records:
        for time, stream, piece in chunks:
            content.write(piece)
            records.write(LOG_RECORD.pack(time, offset, len(piece), stream))
            offset += len(piece)
    return log, index


async def read(paths, **options):
    return [
        (chunk.time, chunk.stream, chunk.content) async for chunk in read_log(*paths, LogOptions(**options))
    ]


async def test_a_line_in_pieces_is_given_out_whole(tmp_path):
    paths = write_log(str(tmp_path), [(1, 1, b"hel"), (2, 1, b"lo\nwor"), (3, 1, b"ld\n")])
    assert await read(paths) == [(1, "stdout", b"hello\n"), (2, "stdout", b"world\n")]


async def test_lines_of_two_streams_do_not_mix(tmp_path):
    paths = write_log(str(tmp_path), [(1, 1, b"out"), (2, 2, b"err\n"), (3, 1, b"put\n")])
    assert await read(paths) == [(2, "stderr", b"err\n"), (1, "stdout", b"output\n")]


async def test_an_unfinished_line_comes_at_the_end(tmp_path):
    paths = write_log(str(tmp_path), [(1, 1, b"a\nprompt> ")])
    assert await read(paths) == [(1, "stdout", b"a\n"), (1, "stdout", b"prompt> ")]


async def test_tail_counts_lines_of_both_streams(tmp_path):
    paths = write_log(str(tmp_path), [(1, 1, b"1\n2\n3\n"), (2, 2, b"4\n"), (3, 1, b"5\n6")])
    assert b"".join(content for _, _, content in await read(paths, tail=3)) == b"4\n5\n6"


async def test_tail_zero_is_nothing(tmp_path):
    paths = write_log(str(tmp_path), [(1, 1, b"1\n2\n")])
    assert await read(paths, tail=0) == []


async def test_since_and_until_are_inclusive(tmp_path):
    paths = write_log(str(tmp_path), [(t, 1, b"%d\n" % t) for t in (1, 2, 3, 4)])
    assert [time for time, _, _ in await read(paths, since=2, until=3)] == [2, 3]


async def test_one_stream_can_be_left_out(tmp_path):
    paths = write_log(str(tmp_path), [(1, 1, b"out\n"), (2, 2, b"err\n")])
    assert await read(paths, stdout=False) == [(2, "stderr", b"err\n")]


async def test_a_torn_record_is_not_read(tmp_path):
    paths = write_log(str(tmp_path), [(1, 1, b"whole\n")])
    with open(paths[1], "ab") as index:
        index.write(b"\0" * 7)
    assert await read(paths) == [(1, "stdout", b"whole\n")]


async def test_a_container_that_never_ran_has_an_empty_log(tmp_path):
    assert await read((f"{tmp_path}/log", f"{tmp_path}/log.idx"), tail=5) == []


async def test_a_long_log_is_read_from_its_end(tmp_path):
    chunks = [(t, 1, b"line %d\n" % t) for t in range(5000)]
    paths = write_log(str(tmp_path), chunks)
    assert [time for time, _, _ in await read(paths, tail=2)] == [4998, 4999]


def test_only_a_newline_ends_a_line():
    assert split_lines(b"a\rb\n\x0bc\nd") == [b"a\rb\n", b"\x0bc\n", b"d"]


@pytest.mark.parametrize("tail", [1, 2, 5, 1000])
@given(
    pieces=st.lists(
        st.tuples(st.sampled_from([1, 2]), st.binary(max_size=8).map(lambda b: b.replace(b"\x00", b"\n")))
    )
)
async def test_tail_is_the_end_of_all(tail, pieces):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        paths = write_log(folder, [(n, stream, piece) for n, (stream, piece) in enumerate(pieces) if piece])
        every = [(stream, line) for _, stream, content in await read(paths) for line in split_lines(content)]
        last = [
            (stream, line)
            for _, stream, content in await read(paths, tail=tail)
            for line in split_lines(content)
        ]
    assert last == every[-tail:]


async def test_a_reader_cancelled_at_any_moment_keeps_no_file_open(tmp_path):
    paths = write_log(str(tmp_path), [(1, 1, b"a\n"), (2, 1, b"b\n")])
    for turns in range(8):
        reading = asyncio.ensure_future(read(paths))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert not [path for path in _open_files() if path.startswith(str(tmp_path))]


def _open_files() -> list[str]:
    found = []
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{number}"))
    return found
