"""What COPY sees of a tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from engine.build.source import SourceTree
from engine.dockerfile.ignore import IgnoreMatcher
from tests.support.trees import deep_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "d" / "e").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "c", "d/x.txt", "d/e/y.txt"):
        (tmp_path / name).write_text(name)
    return tmp_path


def tree(folder: Path, *patterns: str) -> SourceTree:
    return SourceTree(str(folder), IgnoreMatcher(patterns) if patterns else None)


def test_a_name_is_itself(folder: Path) -> None:
    assert tree(folder).select("d/x.txt") == ["d/x.txt"]


def test_dots_and_slashes_are_cleaned(folder: Path) -> None:
    assert tree(folder).select("../../d/./x.txt") == ["d/x.txt"]


def test_a_wildcard_stands_for_one_name(folder: Path) -> None:
    assert tree(folder).select("*.txt") == ["a.txt", "b.txt"]


def test_wildcards_may_be_in_folders(folder: Path) -> None:
    assert tree(folder).select("*/*.txt") == ["d/x.txt"]


def test_a_wildcard_may_fit_nothing(folder: Path) -> None:
    assert tree(folder).select("*.none") == []


def test_a_missing_name_is_an_error(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tree(folder).select("none")


def test_an_ignored_name_is_missing(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tree(folder, "d").select("d/x.txt")


def test_an_exception_brings_its_folders_back(folder: Path) -> None:
    seen = tree(folder, "*", "!d/e/y.txt")
    assert [entry.name for entry in seen.entries("")] == ["d"]
    assert [entry.name for entry in seen.entries("d")] == ["e"]


def test_an_exception_is_looked_for_deeper_than_the_stack(tmp_path: Path) -> None:
    with deep_folder(tmp_path):
        assert tree(tmp_path, "d", "!e").entries("") == []


def test_a_checksum_goes_deeper_than_the_stack(tmp_path: Path) -> None:
    with deep_folder(tmp_path) as deep:
        before = tree(tmp_path).checksum((".",))
        (deep / "file").write_text("x")
        assert tree(tmp_path).checksum((".",)) != before


def test_links_stay_inside(folder: Path) -> None:
    (folder / "out").symlink_to("/d/../../d")
    assert tree(folder).resolve("out/x.txt") == "d/x.txt"


def test_a_circle_of_links_is_missing(folder: Path) -> None:
    (folder / "one").symlink_to("two")
    (folder / "two").symlink_to("one")
    with pytest.raises(FileNotFoundError):
        tree(folder).select("one")


def test_a_checksum_knows_no_times(folder: Path) -> None:
    before = tree(folder).checksum((".",))
    os.utime(folder / "a.txt", (1, 1))
    assert tree(folder).checksum((".",)) == before


def test_a_checksum_knows_names_and_content(folder: Path) -> None:
    before = tree(folder).checksum((".",))
    (folder / "a.txt").write_text("other")
    changed = tree(folder).checksum((".",))
    (folder / "a.txt").rename(folder / "z.txt")
    assert len({before, changed, tree(folder).checksum((".",))}) == 3


def test_what_is_ignored_is_no_part_of_the_checksum(folder: Path) -> None:
    before = tree(folder, "c").checksum((".",))
    (folder / "c").write_text("other")
    assert tree(folder, "c").checksum((".",)) == before
