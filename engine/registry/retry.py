"""Owns how often and how soon something is tried again; pure but for its dice."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime

ATTEMPTS = 6
_FIRST_SECONDS, _LONGEST_SECONDS = 0.25, 20.0
_LONGEST_ASKED_SECONDS = 120.0
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})


def is_temporary(status: int) -> bool:
    """Whether the same request may be answered later."""
    return status in _TEMPORARY


def pause(attempt: int, attempts: int = ATTEMPTS, retry_after: str = "") -> float | None:
    """Seconds to wait after attempt number ``attempt`` of ``attempts`` (from 1); None when it is enough.

    ``Retry-After`` (RFC 9110, 10.2.3: seconds, or a date) is kept to; a registry that asks for more than two
    minutes is not waited for.
    """
    if attempt >= attempts:
        return None
    asked = _asked(retry_after)
    if asked is not None:
        return asked if asked <= _LONGEST_ASKED_SECONDS else None
    longest = min(_LONGEST_SECONDS, _FIRST_SECONDS * float(2 ** (attempt - 1)))
    return longest * random.uniform(0.5, 1)  # noqa: S311 - so that many do not come back at once


def _asked(retry_after: str) -> float | None:
    text = retry_after.strip()
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, float(parsedate_to_datetime(text).timestamp()) - time.time())
    except (TypeError, ValueError):
        return None
