from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.options import DeviceRate, Resources
from engine.runtime.cgroups.checks import adapted, check_update, numbers
from engine.runtime.cgroups.support import Support

ALL = Support(cpus="0-3", mems="0", count=4)
NONE = Support(
    memory=False, swap=False, memory_reservation=False, memory_swappiness=False, oom_kill_disable=False,
    pids=False, cpu_shares=False, cpu_cfs=False, cpu_realtime=False, cpuset=False, blkio_weight=False,
    blkio_weight_device=False, read_bps=False, write_bps=False, read_iops=False, write_iops=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(memory=1 << 20), "Minimum memory limit allowed is 6MB"),
        (Resources(memory_swap=1 << 30), "always set the Memory limit"),
        (Resources(memory=1 << 30, memory_swap=1 << 29), "larger than memory limit"),
        (Resources(memory=1 << 26, memory_reservation=1 << 27), "memory reservation"),
        (Resources(memory_reservation=1 << 20), "Minimum memory reservation allowed is 6MB"),
        (Resources(memory_swappiness=101), "Invalid value: 101, valid memory swappiness range is 0-100"),
        (Resources(nano_cpus=10**6), "Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs"),
        (Resources(nano_cpus=5 * 10**9), "Range of CPUs is from 0.01 to 4.00"),
        (Resources(nano_cpus=10**9, cpu_quota=5000), "Nano CPUs and CPU Quota cannot both be set"),
        (Resources(nano_cpus=10**9, cpu_period=5000), "Nano CPUs and CPU Period cannot both be set"),
        (Resources(cpu_period=999), "CPU cfs period can not be less than 1ms"),
        (Resources(cpu_quota=999), "CPU cfs quota can not be less than 1ms"),
        (Resources(cpu_shares=1), "the minimum allowed cpu-shares is 2"),
        (Resources(cpu_shares=1 << 20), "the maximum allowed cpu-shares is 262144"),
        (
            Resources(cpu_realtime_runtime=9, cpu_realtime_period=5),
            "cannot be higher than cpu real-time period",
        ),
        (Resources(cpuset_cpus="0-7"), "Requested CPUs are not available - requested 0-7, available: 0-3"),
        (Resources(cpuset_mems="1"), "Requested memory nodes are not available - requested 1, available: 0"),
        (Resources(cpuset_cpus="0,x"), "Invalid value 0,x for cpuset cpus: invalid format: 0,x"),
        (Resources(cpuset_cpus="9999"), "value of out range, maximum is 8192"),
        (Resources(blkio_weight=5), "Range of blkio weight is from 10 to 1000"),
    ],
)
def test_limits_that_make_no_sense_are_refused(resources, words):
    with pytest.raises(InvalidInput, match=words):
        adapted(resources, ALL)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(memory=1 << 26), "memory limit capabilities"),
        (Resources(memory_reservation=1 << 26), "memory soft limit capabilities"),
        (Resources(memory_swappiness=5), "memory swappiness capabilities"),
        (Resources(oom_kill_disable=True), "OomKillDisable. OomKillDisable discarded."),
        (Resources(pids_limit=3), "PIDs limit capabilities"),
        (Resources(cpu_shares=5), "CPU shares"),
        (Resources(cpu_quota=5000), "CPU CFS scheduler. CPU period/quota discarded."),
        (Resources(cpuset_cpus="0"), "cpuset or the cgroup is not mounted. Cpuset discarded."),
        (Resources(blkio_weight=5), "Block I/O weight or the cgroup is not mounted. Weight discarded."),
        (Resources(device_read_bps=(DeviceRate("/dev/x", 1),)), "BPS Block I/O read limit"),
        (Resources(device_write_iops=(DeviceRate("/dev/x", 1),)), "IOPS Block write limit"),
    ],
)
def test_what_the_kernel_lacks_is_left_out_with_a_warning(resources, words):
    left, warnings = adapted(resources, NONE)
    assert [words in warning for warning in warnings] == [True]
    assert left == Resources(memory_swap=-1 if resources.memory else 0)


def test_memory_is_limited_without_swap_where_swap_is_not_counted():
    left, warnings = adapted(Resources(memory=1 << 26), Support(swap=False))
    assert (left.memory, left.memory_swap) == (1 << 26, -1)
    assert warnings[0].endswith("Memory limited without swap.")


def test_processors_are_not_left_out_where_they_cannot_be_limited():
    with pytest.raises(InvalidInput, match="NanoCPUs can not be set"):
        adapted(Resources(nano_cpus=10**9), Support(cpu_cfs=False))


def test_real_time_without_a_kernel_for_it_is_refused():
    with pytest.raises(InvalidInput, match="--cpu-rt-runtime: your kernel does not support"):
        adapted(Resources(cpu_realtime_runtime=1), Support(cpu_realtime=False))


def test_a_killer_that_is_disabled_without_a_limit_is_warned_of():
    assert "no memory limit is set" in adapted(Resources(oom_kill_disable=True), ALL)[1][0]


def test_swap_alone_may_be_updated():
    assert adapted(Resources(memory_swap=1 << 30), ALL, update=True)[0].memory_swap == 1 << 30


@pytest.mark.parametrize(
    ("text", "found"),
    [("0", {0}), ("0-2,5", {0, 1, 2, 5}), ("", None), ("1-", None), ("2-1", None), ("a", None), ("-1", None)],
)
def test_lists_of_numbers(text, found):
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (Resources(cpu_quota=5000), Resources(nano_cpus=10**9), "Nano CPUs cannot be updated as CPU Quota"),
        (Resources(cpu_period=5000), Resources(nano_cpus=10**9), "Nano CPUs cannot be updated as CPU Period"),
        (Resources(nano_cpus=10**9), Resources(cpu_quota=5000), "CPU Quota cannot be updated as NanoCPUs"),
        (Resources(nano_cpus=10**9), Resources(cpu_period=5000), "CPU Period cannot be updated as NanoCPUs"),
        (Resources(memory=1, memory_swap=2), Resources(memory=3), "smaller than already set memoryswap"),
        (Resources(), Resources(memory=3), "smaller than already set memoryswap"),
    ],
)
def test_an_update_that_contradicts_what_is_set_is_refused(old, new, words):
    with pytest.raises(InvalidInput, match=words):
        check_update(old, new)


def test_memory_may_grow_where_swap_is_unlimited():
    check_update(Resources(memory=1, memory_swap=-1), Resources(memory=3))


def test_a_kernel_without_limits_is_warned_of():
    assert "WARNING: No swap limit support" in NONE.warnings()
    assert ALL.warnings() == ()


def test_what_cgroup_v2_never_had_is_not_warned_of():
    assert Support(unified=True, oom_kill_disable=False).warnings() == ()
