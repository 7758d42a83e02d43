"""Go's path patterns."""

from __future__ import annotations

import pytest

from engine.dockerfile.match import clean, has_wildcards, match
from engine.errors import InvalidInput


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("", "."),
        ("/", "/"),
        ("//a//b/", "/a/b"),
        ("a/../..", ".."),
        ("/..", "/"),
        ("./a/.", "a"),
        ("../a", "../a"),
    ],
)
def test_clean_is_gos(path: str, cleaned: str) -> None:
    assert clean(path) == cleaned


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*.txt", "a.txt", True),
        ("*", "a/b", False),
        ("a?c", "a/c", False),
        ("[a-c]", "b", True),
        ("[^a]", "a", False),
        (r"\*", "*", True),
        ("[z-a]", "b", False),
    ],
)
def test_match_is_gos(pattern: str, name: str, matches: bool) -> None:
    assert match(pattern, name) is matches


@pytest.mark.parametrize("pattern", ["[", "a[", "[]a]", "[a-", "\\", "[-x]"])
def test_bad_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="syntax error in pattern"):
        match(pattern, "a")


def test_an_escaped_star_is_no_wildcard() -> None:
    assert (has_wildcards(r"a\*"), has_wildcards("a*")) == (False, True)
