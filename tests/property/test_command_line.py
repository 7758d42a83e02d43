from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuidock.cli.detach_keys import DetachKeys
from tuidock.cli.flags import many, parse, switch, text
from tuidock.cli.gotemplate.printing import quoted
from tuidock.cli.gotemplate.template import Template
from tuidock.cli.progress_screen import harmless
from tuidock.cli.specs import scalars
from tuidock.cli.tabwriter import aligned

_SEQUENCE = b"ab"
_FLAGS = (switch("rm", "", "r"), text("name", "", "n"), many("env", "", "e"))
_cells = st.text(st.characters(exclude_characters="\t\n", exclude_categories=("Cs",)), max_size=12)


@given(st.lists(st.binary(max_size=6)))
def test_detach_keys_do_not_depend_on_how_typing_is_cut(pieces):
    whole, cut = DetachKeys(_SEQUENCE), DetachKeys(_SEQUENCE)
    expected = whole.feed(b"".join(pieces))
    got = b""
    for piece in pieces:
        got += cut.feed(piece)
        if cut.found:
            break
    assert (got, cut.found) == (expected, whole.found)


@given(st.binary())
def test_nothing_typed_before_the_detach_keys_is_lost(typed):
    keys = DetachKeys(_SEQUENCE)
    sent = keys.feed(typed)
    before, found, _ = typed.partition(_SEQUENCE)
    assert keys.found == bool(found)
    assert sent == before or (not found and typed in {sent, sent + _SEQUENCE[:1]})


@given(st.lists(st.tuples(st.sampled_from(("-e", "--env")), st.text())), st.lists(st.text()))
def test_values_survive_in_order_and_arguments_after_two_dashes(pairs, arguments):
    argv = [word for pair in pairs for word in pair] + ["--", *arguments]
    parsed = parse(argv, _FLAGS)
    assert parsed.values["env"] == tuple(value for _, value in pairs)
    assert parsed.arguments == tuple(arguments)


@given(st.lists(st.lists(_cells, min_size=3, max_size=3), min_size=1))
def test_every_column_of_a_table_begins_at_one_place(rows):
    lines = aligned("\n".join("\t".join(row) for row in rows)).split("\n")
    starts = [max(10, *(len(row[column]) + 3 for row in rows)) for column in (0, 1)]
    for line, row in zip(lines, rows, strict=True):
        assert line[: len(row[0])] == row[0]
        assert line[starts[0] :].startswith(row[1])
        assert line[starts[0] + starts[1] :] == row[2]


@given(st.text())
def test_text_without_braces_is_its_own_template(source):
    plain = source.replace("{", "(")
    assert Template(plain).render({}) == plain


@given(st.text(st.characters(exclude_categories=("Cs", "Co", "Cn"))))
def test_a_quoted_text_is_read_back_by_a_template(value):
    assert Template("{{" + quoted(value) + "}}").render({}) == value


@given(st.text())
def test_harmless_text_has_no_control_characters(value):
    assert all(letter.isprintable() or not letter.isascii() for letter in harmless(value))


@given(st.integers(min_value=0, max_value=1 << 40), st.sampled_from("kmg"))
def test_sizes_multiply(number, unit):
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[unit]
    assert scalars.size(f"{number}{unit}") == number * factor
