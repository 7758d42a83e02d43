"""The two files of a log agree, also after a crash in between."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.shim import wire
from engine.shim.log import ContainerLog
from tests.support.descriptors import closed_below
from tests.support.project import ROOT


@pytest.fixture(autouse=True)
def _closed(tmp_path):
    """A supervisor's log is open as long as the supervisor lives."""
    with closed_below(str(tmp_path)):
        yield


@pytest.fixture
def names(tmp_path):
    return str(tmp_path / "log"), str(tmp_path / "log.idx")


def test_chunks_are_read_back(names):
    log = ContainerLog(*names)
    assert log.append(1, b"one")
    assert log.append(2, b"two")
    assert log.read(0, 100) == (2, [(1, b"one"), (2, b"two")])
    assert log.read(1, 100) == (2, [(2, b"two")])


def test_reading_stops_at_the_limit(names):
    log = ContainerLog(*names)
    for _ in range(10):
        log.append(1, bytes(100))
    assert log.read(0, 250)[0] == 3


def test_second_run_continues(names):
    ContainerLog(*names).append(1, b"one")
    log = ContainerLog(*names)
    log.append(1, b"two")
    assert log.read(0, 100) == (2, [(1, b"one"), (1, b"two")])


def test_bytes_without_a_record_are_overwritten(names):
    ContainerLog(*names).append(1, b"one")
    with open(names[0], "ab") as content, open(names[1], "ab") as index:
        content.write(b"lost")
        index.write(b"half a record")
    log = ContainerLog(*names)
    log.append(1, b"two")
    assert log.read(0, 100) == (2, [(1, b"one"), (1, b"two")])
    assert os.path.getsize(names[1]) == 2 * wire.LOG_RECORD.size


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("log.idx")}


def test_rotation_cuts_where_lines_end_and_moves_both_files(names, tmp_path):
    log = ContainerLog(*names, 1024, 3)
    for number in range(300):
        log.append(1, b"%09d\n" % number)
    found = contents(tmp_path)
    assert sorted(found) == ["log", "log.1", "log.2"]
    whole = found["log.2"] + found["log.1"] + found["log"]
    assert whole == b"".join(b"%09d\n" % number for number in range(300))[-len(whole) :]
    assert {(tmp_path / name).stat().st_size for name in ("log.1", "log.idx.1")} == {300, 720}


def test_a_large_number_of_files_costs_nothing_before_there_are_as_many(names, tmp_path):
    log = ContainerLog(*names, max_size=1024, max_files=1 << 60)
    for _ in range(4):
        assert log.append(1, bytes(1000))
    assert len(list(tmp_path.iterdir())) == 8


def test_one_file_is_begun_anew(names, tmp_path):
    log = ContainerLog(*names, 1024, 1)
    log.append(1, bytes(1000))
    log.append(1, b"new\n")
    assert contents(tmp_path) == {"log": b"new\n"}


def test_a_chunk_over_the_bound_is_cut(names, tmp_path):
    ContainerLog(*names, 1024, 4).append(1, b"x" * 2500)
    assert [len(contents(tmp_path)[name]) for name in ("log.2", "log.1", "log")] == [1000, 1000, 500]


def test_a_cursor_reads_on_over_rotations(names):
    log = ContainerLog(*names, 1024, 2)
    log.append(1, b"a" * 900)
    first = log.read(0, 10)
    log.append(2, b"b" * 900)
    assert (first, log.read(1, 10)) == ((1, [(1, b"a" * 900)]), (2, [(2, b"b" * 900)]))


def test_a_cursor_in_what_is_gone_begins_with_what_is_left(names):
    log = ContainerLog(*names, 1024, 2)
    for letter in (b"a", b"b", b"c"):
        log.append(1, letter * 900)
    assert log.read(0, 10) == (2, [(1, b"b" * 900)])


def test_a_new_run_reads_what_was_rotated_before(names):
    log = ContainerLog(*names, 1024, 3)
    for letter in (b"a", b"b"):
        log.append(1, letter * 900)
    log = ContainerLog(*names, 1024, 3)
    assert (log.begin, log.count, log.last(1)) == (0, 2, 1)


@given(st.lists(st.tuples(st.integers(1, 2), st.integers(0, 3000)), max_size=30), st.integers(1, 4))
def test_what_is_left_is_the_end_of_what_was_written(chunks, files):
    with tempfile.TemporaryDirectory() as folder:
        log = ContainerLog(f"{folder}/log", f"{folder}/log.idx", 1500, files)
        text, cursor, seen = b"", 0, b""
        for number, (stream, size) in enumerate(chunks):
            content = (b"%d," % number * size)[:size]
            text += content
            log.append(stream, content)
        while cursor < log.count:
            cursor, some = log.read(cursor, 999)
            seen += b"".join(content for _, content in some)
        log.close()
        assert text.endswith(seen)
        assert len(seen) >= min(len(text), 700 * files - 700)
        assert sum(os.path.getsize(f"{folder}/{name}") for name in os.listdir(folder)) <= 1500 * files


_DYING = """
import os, sys
from engine.shim.log import ContainerLog
left = int(sys.argv[4])
def hook(event, _arguments):
    global left
    if event in {"os.rename", "os.remove"}:
        if not left:
            os._exit(1)
        left -= 1
sys.addaudithook(hook)
ContainerLog(*sys.argv[1:3], 1024, int(sys.argv[3])).append(1, b"d" * 900)
"""


@pytest.mark.parametrize("max_files", [1, 2, 3])
@pytest.mark.parametrize("calls", range(7))
def test_a_crash_amid_a_rotation_leaves_pairs_that_fit(names, tmp_path, max_files, calls):
    log = ContainerLog(*names, 1024, max_files)
    for letter in (b"a", b"b", b"c"):
        log.append(1, letter * 900)
    program = (sys.executable, "-c", _DYING, *names, str(max_files), str(calls))
    subprocess.run(program, check=False, cwd=ROOT)
    log = ContainerLog(*names, 1024, max_files)
    log.append(1, b"e" * 900)
    cursor, seen = 0, b""
    while cursor < log.count:
        cursor, some = log.read(cursor, 1)
        seen += b"".join(content[:1] for _, content in some)
        assert all(content == content[:1] * 900 for _, content in some)
    assert seen.endswith(b"e")
    assert len(seen) >= max_files - 1
    assert "".join(sorted(seen.decode())) == seen.decode()
