from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.oci.instant import NEVER, from_rfc3339, to_rfc3339


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:01Z", 10**9),
        ("2024-01-02T03:04:05.123456789Z", 1704164645123456789),
        ("2024-01-02T03:04:05.5+02:00", 1704157445500000000),
        ("2024-01-02t03:04:05z", 1704164645000000000),
        (NEVER, 0),
        ("", 0),
        ("yesterday", 0),
        ("2024-13-45T00:00:00Z", 0),
    ],
)
def test_times_of_documents(text, instant):
    assert from_rfc3339(text) == instant


@given(st.integers(min_value=1, max_value=4 * 10**18))
def test_what_is_written_is_read_back(instant):
    assert from_rfc3339(to_rfc3339(instant)) == instant


def test_no_zeros_trail():
    assert to_rfc3339(1_500_000_000) == "1970-01-01T00:00:01.5Z"
    assert to_rfc3339(0) == NEVER
