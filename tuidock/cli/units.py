"""Owns ages, times and digests in Docker's words; refuses to read the clock.

Source: docker/go-units, HumanDuration. humanize's forms differ ("an hour ago"), and scripts compare Docker's.
"""

from __future__ import annotations

_SECOND = 1_000_000_000
_MINUTE, _HOUR = 60, 3600
_DAYS_SHOWN_AS_HOURS, _WEEK_DAYS, _MONTH_DAYS, _YEAR_DAYS = 48, 7, 30, 365


def human_duration(nanoseconds: int) -> str:
    """``2 minutes``, ``About an hour``, ``3 weeks``."""
    seconds = max(0, nanoseconds) // _SECOND
    if seconds < 1:
        return "Less than a second"
    if seconds < _MINUTE:
        return "1 second" if seconds == 1 else f"{seconds} seconds"
    minutes = seconds // _MINUTE
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = int(seconds / _HOUR + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < _DAYS_SHOWN_AS_HOURS:
        return f"{hours} hours"
    return _days(hours // 24, seconds)


def ago(instant: int, now: int) -> str:
    """How long before ``now`` an instant was: ``5 minutes ago``; ``N/A`` for none."""
    return f"{human_duration(now - instant)} ago" if instant > 0 else "N/A"


def short_digest(digest: str) -> str:
    """The first twelve hexadecimal digits of a digest or id."""
    return digest.removeprefix("sha256:")[:12]


def local_time(instant: int) -> str:
    """``2026-11-20 23:24:46 +0000 UTC``, in local time, as Go prints a time."""
    import time

    moment = time.localtime(instant // _SECOND)
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", moment)


def rfc3339(instant: int) -> str:
    """``2026-11-20T23:24:46Z``: UTC, whole seconds."""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(instant // _SECOND))


def rfc3339_nano(instant: int) -> str:
    """``2026-11-20T23:24:46.123456789Z``: UTC, always nine digits, as Docker's log lines."""
    return f"{rfc3339(instant)[:-1]}.{instant % _SECOND:09d}Z"


def _days(days: int, seconds: int) -> str:
    if days < 2 * _WEEK_DAYS:
        return f"{days} days"
    if days < 2 * _MONTH_DAYS:
        return f"{days // _WEEK_DAYS} weeks"
    if days < 2 * _YEAR_DAYS:
        return f"{days // _MONTH_DAYS} months"
    return f"{seconds // _HOUR // 24 // _YEAR_DAYS} years"
