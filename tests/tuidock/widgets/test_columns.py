from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tuidock.widgets.columns import wrapped


def test_text_is_broken_at_spaces():
    assert wrapped("a form filled from its config", 12) == ["a form", "filled from", "its config"]


def test_a_word_that_is_too_long_is_broken_anywhere():
    assert wrapped("/usr/local/sbin", 6) == ["/usr/l", "ocal/s", "bin"]


def test_an_indentation_is_no_place_to_break():
    assert wrapped('    "sha256:aaaa"', 10) == ['    "sha25', '6:aaaa"']


def test_wide_characters_count_as_two_cells():
    assert wrapped("宽字符宽", 5) == ["宽字", "符宽"]


@given(st.text(alphabet=st.sampled_from("ab 宽é"), max_size=60), st.integers(2, 12))
def test_every_line_fits_and_no_character_but_spaces_is_lost(text: str, width: int):
    lines = wrapped(text, width)
    assert all(cell_len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
