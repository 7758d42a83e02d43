from __future__ import annotations

import pytest

from tuidock import keys
from tuidock.screens.main import MainScreen
from tuidock.screens.page import help_page
from tuidock.widgets.chrome import KeyFooter

_DESTRUCTIVE = {"remove", "toggle", "restart", "cancel"}


def test_ids_are_unique():
    assert len(keys.BY_ID) == len(keys.ACTIONS)


@pytest.mark.parametrize("place", keys.PLACES)
def test_no_key_means_two_things_at_one_place(place: str):
    bound = [key for action in keys.ACTIONS if action.applies(place) for key in action.keys]
    assert len(bound) == len(set(bound))


def test_keys_of_terminals_and_multiplexers_are_left_alone():
    bound = {key for action in keys.ACTIONS for key in action.keys}
    assert not bound & {
        "ctrl+q",
        "ctrl+a",
        "ctrl+b",
        "ctrl+space",
        "ctrl+at",
        "ctrl+s",
        "ctrl+z",
        "tab",
        "shift+tab",
    }


def test_nothing_destructive_is_on_ctrl_d_or_ctrl_k():
    for action in keys.ACTIONS:
        if action.id in _DESTRUCTIVE:
            assert not {"ctrl+d", "ctrl+k"} & set(action.keys)


@pytest.mark.parametrize("action", keys.ACTIONS, ids=lambda action: action.id)
def test_every_action_is_in_the_help(action: keys.Action):
    listed = [listed for _, actions in keys.help_actions() for listed in actions]
    assert action in listed
    texts = [fact.text for fact in help_page()._facts]
    assert any(text.startswith(action.help) for text in texts)


@pytest.mark.parametrize("action", keys.ACTIONS, ids=lambda action: action.id)
def test_every_action_is_in_the_palette_where_it_applies(action: keys.Action):
    if action.id == "palette":
        return
    places = [place for place in keys.PLACES if action.applies(place)]
    assert places
    assert all(action in keys.palette_actions(place) for place in places)


@pytest.mark.parametrize("action", keys.ACTIONS, ids=lambda action: action.id)
def test_every_weighted_action_is_in_the_footer_where_it_applies(action: keys.Action):
    for place in keys.PLACES:
        assert (action in keys.footer_actions(place)) == (bool(action.weight) and action.applies(place))


def test_what_is_done_to_things_is_always_in_the_footer():
    assert all(action.weight for action in keys.ACTIONS if action.group in {"Act", "Choose"})


@pytest.mark.parametrize("action", keys.ACTIONS, ids=lambda action: action.id)
def test_every_action_is_bound_and_carried_out_by_the_main_screen(action: keys.Action):
    bound = {binding.id: binding.key for binding in MainScreen.BINDINGS}
    assert bound[action.id] == ",".join(action.keys)
    assert callable(getattr(MainScreen, f"do_{action.id}"))


def test_the_main_screen_can_do_nothing_that_is_not_in_the_table():
    done = {name.removeprefix("do_") for name in dir(MainScreen) if name.startswith("do_")}
    assert done == set(keys.BY_ID)


def test_the_footer_is_drawn_from_the_table():
    assert KeyFooter().where in keys.PLACES


@pytest.mark.parametrize(
    ("key", "text"), [("ctrl+p", "ctrl-p"), ("question_mark", "?"), ("colon", ":"), ("R", "R")]
)
def test_keys_are_written_as_people_write_them(key: str, text: str):
    assert keys.shown(key) == text
