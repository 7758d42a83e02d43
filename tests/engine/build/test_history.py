"""The words of history rows."""

from __future__ import annotations

import pytest

from engine.build.history import healthcheck_row, quoted_list
from engine.oci.config import HealthCheck

SECOND = 10**9


def test_lists_are_quoted_as_go_does() -> None:
    assert quoted_list(["a b", 'say "x"', "tab\t", "é"]) == '["a b" "say \\"x\\"" "tab\\t" "é"]'


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, "0s"),
        (30 * SECOND, "30s"),
        (90 * SECOND, "1m30s"),
        (3600 * SECOND, "1h0m0s"),
        (1500 * 10**6, "1.5s"),
        (2 * 10**6, "2ms"),
        (1500, "1.5µs"),
    ],
)
def test_durations_are_shown_as_go_does(nanoseconds: int, shown: str) -> None:
    row = healthcheck_row(HealthCheck(test=("CMD", "x"), interval=nanoseconds, retries=65))
    assert row == f'HEALTHCHECK &{{["CMD" "x"] "{shown}" "0s" "0s" "0s" \'A\'}}'
