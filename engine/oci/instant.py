"""Owns RFC 3339 times of documents ↔ nanoseconds since the epoch; refuses local time.

Source: RFC 3339; Go writes up to nine fractional digits, and ``0001-01-01T00:00:00Z`` for "never".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_TIME = r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)\Z"
_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time: what Docker's JSON shows for an instant that has not come."""


def from_rfc3339(text: str) -> int:
    """Nanoseconds since the epoch; 0 for an empty text, Go's zero time and anything unreadable."""
    match = re.match(_TIME, text)
    if match is None:
        return 0
    date, time, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        return 0
    elapsed = moment - _EPOCH
    seconds = elapsed.days * 86400 + elapsed.seconds
    return max(0, seconds * _SECOND + int((fraction or "0").ljust(9, "0")))


def to_rfc3339(instant: int) -> str:
    """``instant`` in UTC as Go prints it: no trailing zeros in the fraction; 0 is Go's zero time."""
    if instant == 0:
        return NEVER
    seconds, nanoseconds = divmod(instant, _SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    return f"{text}{fraction}Z"
