import pytest

from engine.errors import InvalidInput
from tuidock.cli.selection import selected


def test_values_of_one_key_are_alternatives():
    assert selected({"name": ("x", "net")}, {"name": "mynet"}, {})


def test_all_keys_must_hold():
    assert not selected({"name": ("net",), "driver": ("host",)}, {"name": "net", "driver": "bridge"}, {})


def test_labels_match_by_name_or_value():
    assert selected({"label": ("a", "b=2")}, {}, {"a": "1", "b": "2"})
    assert not selected({"label": ("b=3",)}, {}, {"b": "2"})


def test_an_unknown_key_is_refused():
    with pytest.raises(InvalidInput, match="invalid filter 'foo'"):
        selected({"foo": ("x",)}, {"name": "n"}, {})
