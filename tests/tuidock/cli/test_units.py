import pytest

from tuidock.cli.units import ago, human_duration, local_time, rfc3339_nano

_SECOND = 10**9


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (7200, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (14 * 86400, "2 weeks"),
        (60 * 86400, "2 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_durations_are_dockers(seconds, shown):
    assert human_duration(seconds * _SECOND) == shown


def test_an_age_is_a_duration_ago():
    assert ago(10 * _SECOND, 15 * _SECOND) == "5 seconds ago"


def test_an_instant_that_never_was_has_no_age():
    assert ago(0, _SECOND) == "N/A"


def test_log_times_have_nine_digits():
    assert rfc3339_nano(1136214245_000000001) == "2006-01-02T15:04:05.000000001Z"


def test_local_times_name_their_zone(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert local_time(1136214245 * _SECOND) == "2006-01-02 15:04:05 +0000 UTC"
