from __future__ import annotations

import msgspec
import pytest

from engine.options import Resources, UpdateOptions
from engine.runtime.cgroups import parse_mountinfo
from engine.runtime.cgroups.updates import merged, update_writes
from tests.engine.runtime.cgroups.test_plans import HYBRID, V2

V1 = msgspec.structs.replace(parse_mountinfo(HYBRID), swap_accounting=True, cpuset=("0-3", "0"))
GROUPS = tuple(f"/sys/fs/cgroup/{name}/tuidock/c1" for name in ("cpu,cpuacct", "cpuset", "memory", "pids"))
OWN = "/sys/fs/cgroup/tuidock/c1"
_MIB = 1 << 20


def v1(old: Resources, **new: object) -> list[tuple[str, str]]:
    return names(update_writes(V1, GROUPS, old, wanted(**new)))


def v2(old: Resources, **new: object) -> list[tuple[str, str]]:
    return names(update_writes(V2, (OWN,), old, wanted(**new)))


def wanted(*, pids_limit: int | None = None, **new: object) -> UpdateOptions:
    return UpdateOptions(resources=Resources(**new), pids_limit=pids_limit)  # type: ignore[arg-type]


def names(writes: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(path.rpartition("/")[2], value) for path, value in writes]


def test_what_is_not_given_stays():
    old = Resources(memory=64 * _MIB, cpu_shares=5, pids_limit=7)
    assert merged(old, wanted(cpu_shares=9)) == Resources(memory=64 * _MIB, cpu_shares=9, pids_limit=7)


@pytest.mark.parametrize("limit", [0, -1])
def test_no_limit_of_processes_is_given_by_a_number(limit):
    assert merged(Resources(pids_limit=7), wanted(pids_limit=limit)).pids_limit == 0
    assert v1(Resources(), pids_limit=limit) == [("pids.max", "max")]
    assert v2(Resources(), pids_limit=limit) == [("pids.max", "max")]


def test_v1_what_is_raised_of_memory_and_swap_goes_first():
    old = Resources(memory=32 * _MIB, memory_swap=64 * _MIB)
    both = ("memory.memsw.limit_in_bytes", str(300 * _MIB))
    assert v1(old, memory=256 * _MIB, memory_swap=300 * _MIB) == [
        both,
        ("memory.limit_in_bytes", str(256 * _MIB)),
    ]


def test_v1_what_is_lowered_goes_in_the_other_order():
    old = Resources(memory=256 * _MIB, memory_swap=300 * _MIB)
    assert [name for name, _ in v1(old, memory=16 * _MIB, memory_swap=32 * _MIB)] == [
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
    ]


def test_v1_unlimited_swap_is_written():
    old = Resources(memory=32 * _MIB, memory_swap=64 * _MIB)
    assert v1(old, memory=99 * _MIB, memory_swap=-1)[0] == ("memory.memsw.limit_in_bytes", "-1")


def test_v1_only_what_is_given_is_written():
    assert v1(Resources(), cpu_shares=50) == [("cpu.shares", "50")]
    assert v1(Resources(), cpuset_mems="0") == [("cpuset.mems", "0")]
    assert v1(Resources(), memory_reservation=_MIB) == [("memory.soft_limit_in_bytes", str(_MIB))]


def test_v2_swap_is_what_is_left_of_both():
    old = Resources(memory=32 * _MIB, memory_swap=64 * _MIB)
    assert v2(old, memory=48 * _MIB) == [
        ("memory.max", str(48 * _MIB)),
        ("memory.swap.max", str(16 * _MIB)),
    ]


def test_v2_a_period_keeps_the_quota_that_was_set():
    assert v2(Resources(cpu_quota=20_000), cpu_period=50_000) == [("cpu.max", "20000 50000")]


def test_v2_processors():
    assert v2(Resources(), nano_cpus=5 * 10**8) == [("cpu.max", "50000 100000")]
