"""Go's durations."""

from __future__ import annotations

import pytest

from engine.dockerfile.duration import parse_duration
from engine.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1s", 10**9),
        ("1.5s", 15 * 10**8),
        ("1h2m3s", 3723 * 10**9),
        ("-5ms", -5 * 10**6),
        (".5us", 500),
    ],
)
def test_durations_are_nanoseconds(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "1", "s", "1 s", "1d"])
def test_other_notations_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid duration"):
        parse_duration(text)
