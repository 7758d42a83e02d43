from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuidock.sanitize import label, line, lines

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_HOSTILE = st.text(
    alphabet=st.one_of(
        st.sampled_from(
            list("\x1b\x9b\x9d\x90\x07\x9c\\[]()#;:?=0123456789mhlHJKPXtq^_ \t\r\n\x00\x08\x7f\x85")
        ),
        st.characters(),
    )
)


@given(_HOSTILE)
def test_a_line_holds_no_control_character_but_those_of_colours(text: str):
    rest = _COLOUR.sub("", line(text))
    assert not [c for c in rest if ord(c) < 32 or 0x7F <= ord(c) < 0xA0]


@given(_HOSTILE)
def test_a_label_holds_no_control_character_at_all(text: str):
    assert not [c for c in label(text) if ord(c) < 32 or 0x7F <= ord(c) < 0xA0]


@given(_HOSTILE)
def test_a_line_made_harmless_twice_is_the_same(text: str):
    assert line(line(text)) == line(text)


@given(_HOSTILE)
def test_a_label_made_harmless_twice_is_the_same(text: str):
    assert label(label(text)) == label(text)


@given(st.text(alphabet=st.characters(categories=("L", "N", "P", "S", "Zs"))))
def test_plain_text_is_unchanged(text: str):
    assert line(text) == text
    assert label(text) == text


@given(_HOSTILE)
def test_colours_that_remain_neither_hide_nor_blink(text: str):
    for sequence in _COLOUR.findall(line(text)):
        parameters = sequence[2:-1].split(";")
        position = 0
        while position < len(parameters):
            if parameters[position] in {"38", "48", "58"}:
                mode = parameters[position + 1] if position + 1 < len(parameters) else ""
                position += {"5": 3, "2": 5}.get(mode, 1)
                continue
            assert parameters[position].lstrip("0") not in {"5", "6", "8"}
            position += 1


@pytest.mark.parametrize(
    ("raw", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[38;5;8mgrey", "\x1b[38;5;8mgrey"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]52;c;c3RvbGVu\x1b\\text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0~\x1b\\text", "text"),
        ("\x1b[\x1b[2J31mx", "\x1b[31mx"),
        ("\x1b[31", "^[[31"),
        ("\x9b31mred", "\x1b[31mred"),
        ("a\x07b\x00c\x7f", "a^Gb^@c^?"),
        ("col\tumn", "col     umn"),
        ("10%\r20%\r100%\r\n", "100%"),
        ("ab\u202egnp", "ab<U+202E>gnp"),
        ("[/red]", "[/red]"),
        ("\x1b[8mhidden", "hidden"),
    ],
)
def test_a_line_as_it_is_shown(raw: str, harmless: str):
    assert line(raw) == harmless


def test_a_label_keeps_no_colour():
    assert label("\x1b[31mred\x1b[0m") == "red"


def test_markup_in_a_name_stays_text():
    assert label("[/red][bold]x") == "[/red][bold]x"


def test_several_lines_stay_several():
    assert lines("a\nb\x1b[2J") == ("a", "b")


def test_a_very_long_line_is_cut():
    assert len(line("x" * 100_000)) == 8192
