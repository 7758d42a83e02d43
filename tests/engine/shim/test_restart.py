from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.shim.restart import RestartPolicy


def pauses(name: str, count: int, *, ran: float = 0.0, exit_code: int = 1, maximum: int = 0):
    policy = RestartPolicy({"name": name, "maximum": maximum})
    return [policy.pause_after(exit_code, ran) for _ in range(count)]


def test_the_pause_doubles_from_a_tenth_of_a_second_to_a_minute():
    expected = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]
    assert pauses("always", 12) == pytest.approx(expected)


def test_ten_seconds_of_running_begin_again_with_the_first_pause():
    policy = RestartPolicy({"name": "always"})
    for _ in range(5):
        policy.pause_after(1, 9.9)
    assert policy.pause_after(1, 10.0) == pytest.approx(0.1)


@pytest.mark.parametrize("wanted", [None, {"name": "no"}, {}])
def test_no_policy_is_no_start(wanted):
    assert RestartPolicy(wanted).pause_after(1, 0) is None


@pytest.mark.parametrize("name", ["always", "unless-stopped"])
def test_success_is_started_again_too(name):
    assert pauses(name, 1, exit_code=0) == [pytest.approx(0.1)]


def test_on_failure_leaves_success_alone():
    assert pauses("on-failure", 1, exit_code=0) == [None]


def test_on_failure_gives_up_after_its_maximum():
    assert pauses("on-failure", 4, maximum=3)[2:] == [pytest.approx(0.4), None]


@pytest.mark.parametrize("name", ["always", "unless-stopped", "on-failure"])
def test_what_the_user_stopped_stays_ended(name):
    policy = RestartPolicy({"name": name})
    policy.cancelled = True
    assert policy.pause_after(1, 0) is None


@pytest.mark.parametrize(
    ("name", "again"), [("always", True), ("unless-stopped", False), ("on-failure", True)]
)
def test_a_signal_of_the_user_is_a_stop_to_unless_stopped_alone(name, again):
    policy = RestartPolicy({"name": name})
    policy.stopped = True
    assert (policy.pause_after(1, 0) is not None) is again


def test_only_starts_are_counted():
    policy = RestartPolicy({"name": "on-failure", "maximum": 2})
    for _ in range(5):
        policy.pause_after(1, 0)
    assert policy.count == 2


def test_a_policy_can_change_while_it_runs():
    policy = RestartPolicy({"name": "always"})
    policy.change({"name": "no"})
    assert policy.pause_after(1, 0) is None


@given(st.lists(st.tuples(st.integers(0, 255), st.floats(0, 100)), max_size=30))
def test_the_pause_stays_between_its_bounds(ends):
    policy = RestartPolicy({"name": "always"})
    assert all(0.1 <= (policy.pause_after(code, ran) or 0) <= 60 for code, ran in ends)
