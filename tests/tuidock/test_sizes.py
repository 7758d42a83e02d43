from __future__ import annotations

import pytest

from tuidock.sizes import binary_size, human_size


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0B"),
        (999, "999B"),
        (1024, "1.02kB"),
        (4_430_000, "4.43MB"),
        (117_000_000, "117MB"),
        (1.5e9, "1.5GB"),
    ],
)
def test_sizes_have_three_digits(size, shown):
    assert human_size(size) == shown


def test_binary_sizes_have_four_digits():
    assert binary_size(8_217_000_000) == "7.653GiB"
