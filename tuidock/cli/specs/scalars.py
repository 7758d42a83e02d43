"""Owns numbers, sizes, durations and switches as Go and Docker write them; refuses other values.

Sources: strconv (ParseBool, ParseInt), docker/go-units (RAMInBytes), time.ParseDuration, docker/cli opts.
Each function raises ValueError with the reason that Docker prints after ``invalid argument … flag:``.
"""

from __future__ import annotations

import re

# patterns are compiled when they are first used: most command lines hold none of these
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_INTEGER = r"[+-]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[0-9]+)"
_SIZE = r"(\d+(?:\.\d+)?) ?([kKmMgGtTpP]?)(?:[iI]?[bB])?"
_SIZE_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_DURATION = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h)"
_DURATION_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)"
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_INT64 = 1 << 63
_NANO_DIGITS, _BILLION = 9, 1_000_000_000


def boolean(value: str) -> bool:
    """A switch's value, by Go's ParseBool."""
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{value}": invalid syntax')


def integer(value: str) -> int:
    """A signed 64-bit integer; 0x, 0o, 0b and a leading 0 give the base, as Go's ParseInt(s, 0, 64)."""
    if not re.fullmatch(_INTEGER, value):
        raise ValueError(f'strconv.ParseInt: parsing "{value}": invalid syntax')
    digits = value.lstrip("+-")
    legacy_octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    magnitude = int(digits, 8) if legacy_octal else int(digits, 0)
    signed = -magnitude if value[0] == "-" else magnitude
    if not -_INT64 <= signed < _INT64:
        raise ValueError(f'strconv.ParseInt: parsing "{value}": value out of range')
    return signed


def size(value: str) -> int:
    """Bytes from ``512m``, ``1.5GiB``, ``100``; powers of 1024 whatever the suffix, as RAMInBytes."""
    match = re.fullmatch(_SIZE, value)
    if match is None:
        raise ValueError(f"invalid size: '{value}'")
    shift = 10 * int(_SIZE_POWERS[match[2].lower()])
    return int(float(match[1]) * (1 << shift))


def swap_size(value: str) -> int:
    """As ``size``; -1 is unlimited."""
    return -1 if value == "-1" else size(value)


def nano_cpus(value: str) -> int:
    """Billionths of a CPU from ``1.5``; at most nine decimals."""
    whole, _, decimals = value.partition(".")
    if not (whole + decimals).isdecimal():
        raise ValueError(f"failed to parse {value} as a rational number")
    if len(decimals.rstrip("0")) > _NANO_DIGITS:
        raise ValueError("value is too precise")
    return int(whole or "0") * _BILLION + int(decimals[:_NANO_DIGITS].ljust(_NANO_DIGITS, "0"))


def is_duration(value: str) -> bool:
    """Whether ``value`` is one of Go's durations (``1h30m``)."""
    body = value.lstrip("+-")
    return bool(re.match(_DURATION, value)) and not re.sub(_DURATION_PART, "", body)


def duration(value: str) -> int:
    """Nanoseconds from ``300ms``, ``1h30m``, ``-1.5h``, by Go's ParseDuration."""
    if value in {"0", "+0", "-0"}:
        return 0
    if not is_duration(value):
        raise ValueError(f'time: invalid duration "{value}"')
    total = sum(
        round(float(amount) * _NANOSECONDS[unit]) if "." in amount else int(amount) * _NANOSECONDS[unit]
        for amount, unit in re.findall(_DURATION_PART, value)
    )
    return -total if value[0] == "-" else total


def key_value_filter(value: str) -> tuple[str, str]:
    """One ``--filter``: ``name=value``; the name in lower case and both trimmed."""
    name, equals, wanted = value.partition("=")
    if not equals:
        raise ValueError("bad format of filter (expected name=value)")
    return name.strip().lower(), wanted.strip()
