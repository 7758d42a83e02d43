from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidInput
from engine.options import IdRange
from engine.runtime.userns import DEFAULT_RANGE, allowed_ranges, auto_size, explicit_map, free_range


def test_auto_is_65536_ids_unless_it_says():
    assert [auto_size(mode) for mode in ("auto", "auto:size=10", "map:0:1:1", "autos")] == [65536, 10, 0, 0]


def test_a_map_is_what_it_says():
    assert explicit_map("map:0:1000:1,1:200000:9") == (
        IdRange(container=0, host=1000, size=1),
        IdRange(container=1, host=200000, size=9),
    )


@pytest.mark.parametrize(
    "mode",
    [
        "nomap", "map:", "map:0:1", "map:0:1:0", "map:0:-1:5", "map:1:1:5", "map:0:4294967290:10",
        "map:0:1:5,4:100:1", "map:0:1:5,5:5:1", "map:0:1:\N{SUPERSCRIPT TWO}",
        "map:" + ",".join(f"{n}:{n}:1" for n in range(341)),
    ],
)  # fmt: skip
def test_a_map_that_no_kernel_takes_is_refused(mode):
    with pytest.raises(InvalidInput):
        explicit_map(mode)


def test_without_entries_the_default_range_is_taken():
    assert allowed_ranges("root:1:5\n", "") == (DEFAULT_RANGE,)


def test_entries_of_containers_are_taken_where_both_files_agree():
    subuid = "dev:100000:65536\ncontainers:1000:100\ncontainers:5000:10\nbroken\ncontainers:x:1\n"
    assert allowed_ranges(subuid, "containers:1050:4000\n") == ((1050, 50), (5000, 10))


def test_entries_without_anything_in_common_are_refused():
    with pytest.raises(InvalidInput, match="no ids in common"):
        allowed_ranges("containers:1:5", "containers:100:5")


def test_the_default_range_is_beyond_what_others_hand_out():
    first, count = DEFAULT_RANGE
    assert first > 0x6FFFFFFF, "systemd-nspawn's"
    assert first + count <= 0x7FFE0000, "foreign images'"


def test_no_ids_left_is_said():
    with pytest.raises(InvalidInput, match="no 11 ids are free"):
        free_range(11, [(0, 10), (20, 10)], [])


@given(st.lists(st.integers(1, 40), max_size=30))
def test_ranges_never_overlap(sizes):
    taken: list[IdRange] = []
    for size in sizes:
        try:
            taken.append(free_range(size, [(100, 200), (500, 300)], taken))
        except InvalidInput:
            continue
    ids = [number for one in taken for number in range(one.host, one.host + one.size)]
    assert len(ids) == len(set(ids))
    assert all(100 <= number < 300 or 500 <= number < 800 for number in ids)
