"""Owns Go's durations (``1h30m``, ``1.5s``) as nanoseconds; refuses any other notation.

Source: Go's time.ParseDuration.
"""

from __future__ import annotations

import re
from fractions import Fraction

from engine.errors import InvalidInput

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")


def parse_duration(text: str) -> int:
    """Nanoseconds of ``text``; InvalidInput in Go's words."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return 0
    total = Fraction(0)
    position = 0
    while position < len(rest):
        found = _PART.match(rest, position)
        if not found:
            break
        total += Fraction(found[1].rstrip(".") if found[1].endswith(".") else found[1]) * _UNITS[found[2]]
        position = found.end()
    if not rest or position < len(rest):
        raise InvalidInput(
            "", f'time: invalid duration "{text}"', remedy="write a number and a unit, such as 30s or 1m30s"
        )
    return sign * int(total)
