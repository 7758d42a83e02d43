"""What .dockerignore excludes, by moby/patternmatcher's own answers and by cases of our own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.dockerfile.ignore import IgnoreMatcher, read_patterns
from engine.errors import InvalidInput
from tests.support.building import CORPORA

needs_corpora = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="TEST DATA MISSING: ../shared/corpora is not beside the checkout"
)


def cases() -> list[dict[str, Any]]:
    if not CORPORA.is_dir():
        return []
    document = json.loads((CORPORA / "dockerignore.json").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = document["matching"]
    return found


@needs_corpora
@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case['patterns']} {case['path']}")
def test_excluded_as_by_moby(case: dict[str, Any]) -> None:
    if case.get("error"):
        with pytest.raises(InvalidInput, match=case["error"]):
            IgnoreMatcher(case["patterns"])
    else:
        assert IgnoreMatcher(case["patterns"]).excludes(case["path"]) is case["excluded"]


def test_comments_blank_lines_and_slashes_are_cleaned() -> None:
    assert read_patterns("\ufeff# c\n\n /a/ \n! b/./c \n #d\n") == ("a", "!b/c", "#d")


def test_the_last_pattern_wins() -> None:
    matcher = IgnoreMatcher(["*.md", "!README.md", "README.md"])
    assert matcher.excludes("README.md")


def test_what_lies_in_an_excluded_folder_is_excluded() -> None:
    assert IgnoreMatcher(["a"]).excludes("a/b/c")


def test_an_exception_brings_a_file_back() -> None:
    matcher = IgnoreMatcher(["a", "!a/keep"])
    assert (matcher.excludes("a/x"), matcher.excludes("a/keep")) == (True, False)


def test_nothing_excludes_the_context_itself() -> None:
    assert not IgnoreMatcher(["**"]).excludes(".")
