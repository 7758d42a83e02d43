"""Word expansion, by BuildKit's own answers and by cases of our own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.dockerfile.expand import expand, expand_word, expand_words
from engine.errors import InvalidInput
from tests.support.building import CORPORA

needs_corpora = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="TEST DATA MISSING: ../shared/corpora is not beside the checkout"
)


def cases(name: str) -> Any:
    return json.loads((CORPORA / name).read_text(encoding="utf-8")) if CORPORA.is_dir() else []


def word_cases() -> list[dict[str, Any]]:
    document = cases("shell-processword.json")
    return (
        [case | {"env": document["env"], "escape": document["escape"]} for case in document["cases"]]
        if document
        else []
    )


@needs_corpora
@pytest.mark.parametrize("case", word_cases(), ids=lambda case: case["input"])
def test_a_word_expands_as_in_buildkit(case: dict[str, Any]) -> None:
    if case["error"]:
        with pytest.raises(InvalidInput):
            expand_word(case["input"], case["env"], case["escape"])
    else:
        assert expand_word(case["input"], case["env"], case["escape"]) == case["expected"]


@needs_corpora
@pytest.mark.parametrize("case", cases("shell-processwords.json"), ids=lambda case: case["input"])
def test_words_split_as_in_buildkit(case: dict[str, Any]) -> None:
    if case["error"]:
        with pytest.raises(InvalidInput):
            expand_words(case["input"], case["env"])
    else:
        assert list(expand_words(case["input"], case["env"])) == case["expected"]


@needs_corpora
@pytest.mark.parametrize("case", cases("shell-matches.json"), ids=lambda case: case["input"])
def test_modifiers_match_as_in_buildkit(case: dict[str, Any]) -> None:
    if case["error"]:
        with pytest.raises(InvalidInput):
            expand(case["input"], case["env"])
        return
    found = expand(case["input"], case["env"])
    assert (found.text, sorted(found.matched), sorted(found.unmatched)) == (
        case["expected"],
        case["matched"],
        case["unmatched"],
    )


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$a", "x y"),
        ("${a}", "x y"),
        ("'$a'", "$a"),
        ('"$a"', "x y"),
        (r"\$a", "$a"),
        ("${none:-$a}", "x y"),
        ("${none-d}", "d"),
        ("${empty-d}", ""),
        ("${empty:-d}", "d"),
        ("${a:+set}", "set"),
        ("${none+set}", ""),
        ("${path##*/}", "file.tar.gz"),
        ("${path#*/}", "usr/file.tar.gz"),
        ("${path%.*}", "/usr/file.tar"),
        ("${path%%.*}", "/usr/file"),
        ("${path/file/other}", "/usr/other.tar.gz"),
        ("${path//./_}", "/usr/file_tar_gz"),
        (r"${path//\//-}", "-usr-file.tar.gz"),
        ("$", "$"),
    ],
)
def test_modifiers(word: str, expected: str) -> None:
    environment = {"a": "x y", "empty": "", "path": "/usr/file.tar.gz"}
    assert expand_word(word, environment) == expected


def test_a_required_variable_says_its_own_message() -> None:
    with pytest.raises(InvalidInput, match="NAME: give a name"):
        expand_word("${NAME:?give a name}", {})


def test_a_heredoc_keeps_its_quotes() -> None:
    assert expand_word("'$a' \"b\"", {"a": "1"}, quotes=False) == "'1' \"b\""


def test_the_backtick_may_be_the_escape() -> None:
    assert expand_word("`$a \\", {"a": "1"}, "`") == "$a \\"
