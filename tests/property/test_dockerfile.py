"""Whatever the text, the Dockerfile's reader answers or refuses with a place: it never breaks."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dockerfile.expand import expand, expand_word
from engine.dockerfile.ignore import IgnoreMatcher, read_patterns
from engine.dockerfile.match import clean, match
from engine.dockerfile.parse import parse_dockerfile
from engine.errors import DockerfileSyntaxError, InvalidInput

WORDS = st.sampled_from(
    'FROM RUN COPY ADD ENV ARG ONBUILD HEALTHCHECK CMD SHELL LABEL EXPOSE a b=c --from=x -- [ ["x"]'.split()
    + "\\ ` ' \" $a ${a:-b} <<E <<-'E' E # é".split()
    + ["\n", " ", "\t", "\r\n", "# escape=`", "# syntax=x", "\u00a0", "\x1c", "\x85", "\u2028", ""]
)
TEXTS = st.one_of(st.text(), st.lists(WORDS).map("".join), st.lists(WORDS).map(" ".join))


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_is_parsed_or_refused_with_its_place(text: str) -> None:
    try:
        dockerfile = parse_dockerfile(text)
        assert dockerfile.stages
    except DockerfileSyntaxError as error:
        error.caret()
        line = error.line
        assert 0 <= line <= text.count("\n") + 1


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.dictionaries(st.sampled_from(["a", "b"]), st.text()))
def test_any_word_expands_or_is_refused(word: str, environment: dict[str, str]) -> None:
    with contextlib.suppress(InvalidInput):
        expand(word, environment)


@given(st.text(alphabet="abc xyz_-./", max_size=40))
def test_a_word_without_special_characters_is_itself(word: str) -> None:
    assert expand_word(word, {}) == word


@given(st.text())
def test_single_quotes_protect_everything(text: str) -> None:
    quoted = text.replace("'", "")
    assert expand_word(f"'{quoted}'", {}) == quoted


@settings(max_examples=400, deadline=None)
@given(st.lists(st.text(alphabet="ab/.*?[]!\\^- #")), st.text(alphabet="ab/.", min_size=1))
def test_any_ignore_file_answers_or_is_refused(lines: list[str], path: str) -> None:
    with contextlib.suppress(InvalidInput):
        assert IgnoreMatcher(read_patterns("\n".join(lines))).excludes(path) in {True, False}


@settings(deadline=None)
@given(st.text(alphabet="ab[]*?\\-^"), st.text(alphabet="ab"))
def test_any_pattern_matches_or_is_refused(pattern: str, name: str) -> None:
    with contextlib.suppress(InvalidInput):
        match(pattern, name)


@given(st.text(alphabet="a./"))
def test_cleaning_twice_is_cleaning_once(path: str) -> None:
    assert clean(clean(path)) == clean(path)
