"""What COPY writes: whole trees, described as their sources are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from engine.build.placing import Placer
from engine.build.source import SourceTree
from engine.shim import state
from tests.support.trees import deep_folder

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "target").mkdir()
    return tmp_path / "source"


def copy(source: Path) -> Path:
    target = source.parent / "target"
    Placer(str(target), None, None).copy(SourceTree(str(source)), "", "/to/")
    return target / "to"


def test_folders_keep_their_times_and_modes(source: Path) -> None:
    for name in ("a/b/c", "a/d", "e"):
        (source / name).mkdir(parents=True)
        (source / name / "file").write_text(name)
    for number, name in enumerate(("a/b/c", "a/b", "a/d", "a", "e"), 1):
        (source / name).chmod(0o700 + number)
        os.utime(source / name, (number, number))
    copied = copy(source)
    for number, name in enumerate(("a/b/c", "a/b", "a/d", "a", "e"), 1):
        status = (copied / name).stat()
        assert (status.st_mode & 0o777, status.st_mtime) == (0o700 + number, number)
    assert (copied / "a/d/file").read_text() == "a/d"


def test_a_tree_may_be_deeper_than_the_stack(source: Path) -> None:
    with deep_folder(source) as deep:
        (deep / "file").write_text("x")
        copied = copy(source)
        assert (copied / deep.relative_to(source) / "file").read_text() == "x"
        state.remove(str(copied))
