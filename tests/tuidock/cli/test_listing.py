import pytest

from tuidock.cli import listing
from tuidock.cli.command import CannotStart

_LAYOUT = listing.Layout(
    titles={"ID": "CONTAINER ID", "Names": "NAMES", "Label": listing.label_title},
    columns=("ID", "Names"),
    quiet="ID",
)
_ROWS = [
    {"ID": "0123456789ab", "Names": "one", "Label": lambda name: f"<{name}>"},
    {"ID": "ba9876543210", "Names": "two", "Label": lambda name: f"<{name}>"},
]


def test_a_table_has_titles(capfd):
    listing.show(_ROWS, _LAYOUT, "")
    assert capfd.readouterr().out == "CONTAINER ID   NAMES\n0123456789ab   one\nba9876543210   two\n"


def test_quiet_prints_the_ids(capfd):
    listing.show(_ROWS, _LAYOUT, "", quiet=True)
    assert capfd.readouterr().out == "0123456789ab\nba9876543210\n"


def test_a_template_prints_a_line_a_row(capfd):
    listing.show(_ROWS, _LAYOUT, "{{.Names}}")
    assert capfd.readouterr().out == "one\ntwo\n"


def test_a_table_template_has_the_titles_of_its_fields():
    shown = listing.rendered(_ROWS, _LAYOUT, "table {{upper .Names}}\\t{{.ID}}")
    assert shown == "NAMES     CONTAINER ID\nONE       0123456789ab\nTWO       ba9876543210\n"


def test_a_label_is_titled_by_its_last_word():
    assert listing.rendered([], _LAYOUT, 'table {{.Label "com.example.some-name"}}') == "some name\n"


def test_json_prints_an_object_a_row():
    shown = listing.rendered(_ROWS[:1], _LAYOUT, "json")
    assert shown == '{"ID":"0123456789ab","Names":"one"}\n'


def test_json_has_its_keys_sorted():
    shown = listing.rendered([{"Names": "one", "ID": "0123456789ab"}], _LAYOUT, "{{json .}}")
    assert shown == '{"ID":"0123456789ab","Names":"one"}\n'


def test_a_broken_template_is_refused_before_anything_else():
    with pytest.raises(CannotStart, match="failed to parse template: template: :1: unclosed action"):
        listing.check_format("{{.Foo")


def test_cut_texts_end_in_an_ellipsis():
    assert listing.shortened("0123456789", 5) == "0123…"


def test_names_are_sorted_as_people_count():
    names = ["n10", "b", "n9", "a b", "B", "n09", "a1"]
    assert sorted(names, key=listing.natural) == ["B", "a b", "a1", "b", "n9", "n09", "n10"]


def test_an_escape_in_a_documents_template_is_gos_alone():
    shown = listing.rendered_document({"Name": "web"}, '{{.Name}}{{"\\n"}}\\n')
    assert shown == "web\n\\n"


def test_an_escape_in_a_rows_template_is_made_before_it_is_parsed():
    with pytest.raises(CannotStart, match="unterminated quoted string"):
        listing.check_format('{{"\\n"}}')
    listing.check_format('{{"\\n"}}', of_rows=False)
