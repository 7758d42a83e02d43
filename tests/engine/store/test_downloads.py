from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager

import pytest

from engine.store import downloads

DIGEST = f"sha256:{1:064}"
OLD = time.time() - 2 * downloads.KEPT_SECONDS


@pytest.fixture
def trash(tmp_path):
    folder = tmp_path / "trash"
    folder.mkdir()
    return str(folder)


@pytest.fixture
def part(paths):
    """What came of a layer two days ago, with its lock."""
    os.makedirs(paths.downloads)
    path = paths.download(DIGEST)
    for name, content in ((path, b"12345"), (f"{path}.lock", b"")):
        with open(name, "wb") as file:
            file.write(content)
        os.utime(name, (OLD, OLD))
    return path


@contextmanager
def held(part):
    with open(f"{part}.lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_what_nobody_went_on_with_goes_with_its_lock(paths, part, trash):
    downloads.move_out(paths, trash, kept_seconds=downloads.KEPT_SECONDS)
    assert os.listdir(paths.downloads) == []
    assert len(os.listdir(trash)) == 2


def test_what_came_lately_stays(paths, part, trash):
    os.utime(part)
    downloads.move_out(paths, trash, kept_seconds=downloads.KEPT_SECONDS)
    assert os.listdir(trash) == []


def test_all_that_nobody_fetches_goes_where_that_is_asked(paths, part, trash):
    os.utime(part, (time.time() - 1, time.time() - 1))
    downloads.move_out(paths, trash, kept_seconds=0)
    assert os.listdir(paths.downloads) == []


def test_what_is_fetched_now_stays_however_old_it_is(paths, part, trash):
    with held(part):
        downloads.move_out(paths, trash, kept_seconds=0)
    assert os.listdir(trash) == []


def test_a_lock_without_anything_goes(paths, part, trash):
    os.unlink(part)
    downloads.move_out(paths, trash, kept_seconds=downloads.KEPT_SECONDS)
    assert os.listdir(paths.downloads) == []


def test_a_store_that_never_pulled_has_none(paths, trash):
    downloads.move_out(paths, trash, kept_seconds=0)
    assert downloads.sizes(paths) == (0, 0)


def test_what_is_fetched_now_is_not_to_be_had_back(paths, part):
    assert downloads.sizes(paths) == (5, 5)
    with held(part):
        assert downloads.sizes(paths) == (5, 0)
