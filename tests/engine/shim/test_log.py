"""The two files of a log agree, also after a crash in between."""

from __future__ import annotations

import os

import pytest

from engine.shim import wire
from engine.shim.log import ContainerLog


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
