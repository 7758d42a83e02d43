from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.runtime.naming import check_name, new_id, random_name


def test_an_id_has_64_hex_digits_and_is_no_number():
    container_id = new_id()
    assert len(container_id) == 64
    assert int(container_id, 16) >= 0
    assert not container_id[:12].isdecimal()


def test_a_random_name_passes_its_own_check():
    assert check_name(random_name())
    assert check_name(random_name(5))[-1].isdigit()


def test_a_leading_slash_is_not_part_of_the_name():
    assert check_name("/web") == "web"


@pytest.mark.parametrize("name", ["", "a", "-web", "a b", "web/x", ".x", "näme", "a\n"])
def test_bad_names_are_refused_in_dockers_words(name):
    with pytest.raises(InvalidInput, match="only \\[a-zA-Z0-9\\]"):
        check_name(name)
