from __future__ import annotations

import pytest

from engine.shim.health import OUTPUT_LIMIT, Health, cut, duration, timed_out

WANTED = {"interval": 30, "timeout": 30, "start_period": 0, "start_interval": 5, "retries": 3}


def health(**changes) -> Health:
    return Health({**WANTED, **changes})


def result(exit_code: int) -> dict:
    return {"start": 1, "end": 2, "exit_code": exit_code, "output": ""}


def test_a_container_begins_as_starting():
    assert health().facts() == {"status": "starting", "failing_streak": 0, "log": []}


def test_one_success_is_healthy():
    one = health()
    assert one.take(result(0), 1)
    assert one.status == "healthy"


def test_failures_count_until_the_retries_are_used_up():
    one = health()
    assert [one.take(result(1), 1) for _ in range(4)] == [False, False, True, False]
    assert (one.status, one.facts()["failing_streak"]) == ("unhealthy", 4)


def test_a_success_in_between_begins_the_count_again():
    one = health(retries=2)
    for code in (1, 0, 1):
        one.take(result(code), 1)
    assert (one.status, one.facts()["failing_streak"]) == ("healthy", 1)


def test_failures_in_the_start_period_do_not_count():
    one = health(start_period=10, retries=1)
    one.take(result(1), 9.9)
    assert (one.status, one.facts()["failing_streak"], len(one.facts()["log"])) == ("starting", 0, 1)


def test_failures_after_a_success_count_in_the_start_period_too():
    one = health(start_period=10, retries=1)
    one.take(result(0), 1)
    one.take(result(1), 2)
    assert one.status == "unhealthy"


def test_the_start_interval_holds_until_the_first_success_or_the_start_periods_end():
    one = health(start_period=60)
    assert (one.pause(0), one.pause(59.9), one.pause(60)) == (5, 5, 30)
    one.take(result(0), 1)
    assert one.pause(2) == 30


def test_the_last_five_results_are_kept():
    one = health()
    for code in range(8):
        one.take(result(code), 1)
    assert [entry["exit_code"] for entry in one.facts()["log"]] == [3, 4, 5, 6, 7]


def test_a_new_start_keeps_the_results_alone():
    one = health(retries=1)
    one.take(result(1), 1)
    one.begin()
    facts = one.facts()
    assert (facts["status"], facts["failing_streak"], len(facts["log"])) == ("starting", 0, 1)


def test_long_output_is_cut():
    assert cut(b"x" * OUTPUT_LIMIT) == "x" * OUTPUT_LIMIT
    assert cut(b"x" * (OUTPUT_LIMIT + 1)) == "x" * OUTPUT_LIMIT + "..."


def test_output_that_is_no_text_is_kept_readable():
    assert cut(b"\xffa") == "\ufffda"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (30, "30s"),
        (1.5, "1.5s"),
        (0.02, "20ms"),
        (60, "1m0s"),
        (3661, "1h1m1s"),
        (3600, "1h0m0s"),
        (0.001, "1ms"),
    ],
)
def test_durations_are_written_as_go_does(seconds, text):
    assert duration(seconds) == text


def test_a_check_that_took_too_long_says_so_with_what_it_wrote():
    assert timed_out(1.5, b"") == "Health check exceeded timeout (1.5s)"
    assert timed_out(1.5, b"out\n") == "Health check exceeded timeout (1.5s): out\n"
