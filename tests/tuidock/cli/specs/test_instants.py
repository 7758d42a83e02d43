import pytest

from tuidock.cli.specs.instants import instant

_NOW = 1_000_000 * 10**9


def test_a_duration_is_before_now():
    assert instant("10m", _NOW) == _NOW - 600 * 10**9


def test_a_unix_time_may_have_nanoseconds():
    assert instant("1136073845.000000001", _NOW) == 1136073845000000001


def test_a_time_with_a_zone():
    assert instant("2006-01-02T15:04:05+07:00", _NOW) == 1136189045 * 10**9


def test_a_fraction_of_a_second_keeps_its_nanoseconds():
    assert instant("2006-01-02T15:04:05.123456789Z", _NOW) == 1136214245123456789


def test_a_date_alone_is_local_midnight(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()
    try:
        assert instant("2006-01-02", _NOW) == (1136160000 - 7200) * 10**9
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["foo", "", "2006-13-02", "2006-01-02T25:00:00Z"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="failed to parse value as time or duration"):
        instant(text, _NOW)
