"""Owns points in time as Docker's --since and --until take them; refuses to read the clock.

Source: moby api/types/time/timestamp.go (GetTimestamp).
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING

from tuidock.cli.specs import scalars

if TYPE_CHECKING:
    from datetime import tzinfo

_UNIX = re.compile(r"(\d+)(?:\.(\d{1,9}))?")
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d\d:\d\d)?"
)
_SECOND = 1_000_000_000


def instant(value: str, now: int) -> int:
    """Nanoseconds since the epoch of a unix time, an RFC 3339 time or a duration before ``now``.

    Without a zone a date is in local time; ValueError where ``value`` is none of these.
    """
    unix = _UNIX.fullmatch(value)
    if unix:
        return int(unix[1]) * _SECOND + _fraction(unix[2])
    if scalars.is_duration(value):
        return now - scalars.duration(value)
    date = _DATE.fullmatch(value)
    if date is None:
        raise ValueError(f'failed to parse value as time or duration: "{value}"')
    return _calendar(date, value)


def _calendar(date: re.Match[str], value: str) -> int:
    from datetime import datetime

    year, month, day, hour, minute, second = (int(part or 0) for part in date.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the zone follows
        zone = date[8]
        moment = moment.astimezone() if zone is None else moment.replace(tzinfo=_zone(zone))
    except ValueError as error:
        raise ValueError(f'failed to parse value as time or duration: "{value}": {error}') from None
    return int(moment.timestamp()) * _SECOND + _fraction(date[7])


def _zone(text: str) -> tzinfo:
    from datetime import timedelta, timezone

    if text == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[4:6])))


def _fraction(digits: str | None) -> int:
    return int((digits or "").ljust(9, "0"))
