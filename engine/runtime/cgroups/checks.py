"""Owns the judgement on limits: what is refused, and what is left out with a warning. Pure; Docker's words.

Source: moby daemon/daemon_unix.go (verifyPlatformContainerResources, UpdateContainer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from engine.options import Resources
    from engine.runtime.cgroups.support import Support

_BILLION = 1_000_000_000
_FEWEST_CPUS = _BILLION // 100
_SMALLEST_MEMORY = 6 << 20
_SHARES = (2, 262144)
_WEIGHTS = (10, 1000)
_PERIODS = (1_000, 1_000_000)
_SWAPPIEST = 100
_MOST_CPUS = 8192
_UNMOUNTED = "or the cgroup is not mounted"
_DISCARDED = (
    ("blkio_weight", "blkio_weight", f"Block I/O weight {_UNMOUNTED}. Weight discarded."),
    ("blkio_weight_device", "blkio_weight_device",
     f"Block I/O weight_device {_UNMOUNTED}. Weight-device discarded."),
    ("device_read_bps", "read_bps",
     f"BPS Block I/O read limit {_UNMOUNTED}. Block I/O BPS read limit discarded."),
    ("device_write_bps", "write_bps",
     f"BPS Block I/O write limit {_UNMOUNTED}. Block I/O BPS write limit discarded."),
    ("device_read_iops", "read_iops",
     f"IOPS Block read limit {_UNMOUNTED}. Block I/O IOPS read limit discarded."),
    ("device_write_iops", "write_iops",
     f"IOPS Block write limit {_UNMOUNTED}. Block I/O IOPS write limit discarded."),
    ("memory_swappiness", "memory_swappiness",
     f"memory swappiness capabilities {_UNMOUNTED}. Memory swappiness discarded."),
    ("memory_reservation", "memory_reservation",
     f"memory soft limit capabilities {_UNMOUNTED}. Limitation discarded."),
    ("oom_kill_disable", "oom_kill_disable", "OomKillDisable. OomKillDisable discarded."),
    ("pids_limit", "pids", f"PIDs limit capabilities {_UNMOUNTED}. PIDs limit discarded."),
    ("cpu_shares", "cpu_shares", f"CPU shares {_UNMOUNTED}. Shares discarded."),
    ("cpu_period", "cpu_cfs", "CPU CFS scheduler. CPU period/quota discarded."),
    ("cpu_quota", "cpu_cfs", "CPU CFS scheduler. CPU period/quota discarded."),
    ("cpuset_cpus", "cpuset", f"cpuset {_UNMOUNTED}. Cpuset discarded."),
    ("cpuset_mems", "cpuset", f"cpuset {_UNMOUNTED}. Cpuset discarded."),
)  # fmt: skip
"""Field of Resources, field of Support, and what the kernel does not support."""


def adapted(
    resources: Resources, support: Support, *, update: bool = False
) -> tuple[Resources, tuple[str, ...]]:
    """``resources`` as the machine can give them, and warnings of what it cannot.

    InvalidInput for what no machine takes. Of an ``update`` the parts that are not given are 0.
    """
    resources, warnings = _memory_that_exists(resources, support)
    _check_memory(resources, update=update)
    for field, needed, words in _DISCARDED:
        if getattr(resources, field) not in (None, 0, "", ()) and not getattr(support, needed):
            resources = msgspec.structs.replace(resources, **{field: _nothing(field)})
            warnings.append(f"Your kernel does not support {words}")
    if resources.oom_kill_disable and not resources.memory:
        warnings.append(
            "OOM killer is disabled for the container, but no memory limit is set,"
            " this can result in the system running out of resources."
        )
    _check_cpu(resources, support)
    _check_realtime(resources, support)
    _check_list(resources.cpuset_cpus, support.cpus, "cpuset cpus", "Requested CPUs")
    _check_list(resources.cpuset_mems, support.mems, "cpuset mems", "Requested memory nodes")
    if resources.blkio_weight and not _WEIGHTS[0] <= resources.blkio_weight <= _WEIGHTS[1]:
        raise InvalidInput("", "Range of blkio weight is from 10 to 1000")
    return resources, tuple(dict.fromkeys(warnings))


def _nothing(field: str) -> Any:
    if field in {"memory_swappiness", "oom_kill_disable"}:
        return None if field == "memory_swappiness" else False
    if field.startswith("cpuset"):
        return ""
    return () if field.startswith("device") or field == "blkio_weight_device" else 0


def _memory_that_exists(resources: Resources, support: Support) -> tuple[Resources, list[str]]:
    if resources.memory and not support.memory:
        words = f"memory limit capabilities {_UNMOUNTED}. Limitation discarded."
        without = msgspec.structs.replace(resources, memory=0, memory_swap=-1)
        return without, [f"Your kernel does not support {words}"]
    if resources.memory and resources.memory_swap != -1 and not support.swap:
        words = f"swap limit capabilities {_UNMOUNTED}. Memory limited without swap."
        return msgspec.structs.replace(resources, memory_swap=-1), [f"Your kernel does not support {words}"]
    return resources, []


def _check_memory(resources: Resources, *, update: bool) -> None:
    memory, swap, reservation = resources.memory, resources.memory_swap, resources.memory_reservation
    swappiness = resources.memory_swappiness
    refusals = (
        (memory and memory < _SMALLEST_MEMORY, "Minimum memory limit allowed is 6MB"),
        (memory and 0 < swap < memory,
         "Minimum memoryswap limit should be larger than memory limit, see usage"),
        (not memory and swap > 0 and not update,
         "You should always set the Memory limit when using Memoryswap limit, see usage"),
        (swappiness is not None and not 0 <= swappiness <= _SWAPPIEST,
         f"Invalid value: {swappiness}, valid memory swappiness range is 0-100"),
        (reservation and reservation < _SMALLEST_MEMORY, "Minimum memory reservation allowed is 6MB"),
        (memory and reservation > memory,
         "Minimum memory limit can not be less than memory reservation limit, see usage"),
    )  # fmt: skip
    _refuse(refusals)


def _check_cpu(resources: Resources, support: Support) -> None:
    cpus, shares, period, quota = (
        resources.nano_cpus, resources.cpu_shares, resources.cpu_period, resources.cpu_quota
    )  # fmt: skip
    count = support.count
    refusals = (
        (cpus and period, "Conflicting options: Nano CPUs and CPU Period cannot both be set"),
        (cpus and quota > 0, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
        (cpus and not support.cpu_cfs,
         f"NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler {_UNMOUNTED}"),
        (cpus and not _FEWEST_CPUS <= cpus <= count * _BILLION,
         f"Range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available"),
        (shares < 0, "shares: invalid argument"),
        (shares and shares < _SHARES[0], f"the minimum allowed cpu-shares is {_SHARES[0]}"),
        (shares > _SHARES[1], f"the maximum allowed cpu-shares is {_SHARES[1]}"),
        (period and not _PERIODS[0] <= period <= _PERIODS[1],
         "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"),
        (0 < quota < _PERIODS[0], "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
    )  # fmt: skip
    _refuse(refusals)


def _check_realtime(resources: Resources, support: Support) -> None:
    period, runtime = resources.cpu_realtime_period, resources.cpu_realtime_runtime
    if (period or runtime) and not support.cpu_realtime:
        option = "--cpu-rt-period" if period else "--cpu-rt-runtime"
        raise InvalidInput(
            option,
            "your kernel does not support real-time scheduling of control groups",
            remedy="it needs cgroup v1 and a kernel with CONFIG_RT_GROUP_SCHED",
        )
    if period and runtime > period:
        raise InvalidInput("", "cpu real-time runtime cannot be higher than cpu real-time period")


def _refuse(refusals: tuple[tuple[object, str], ...]) -> None:
    for wrong, words in refusals:
        if wrong:
            raise InvalidInput("", words)


def _check_list(text: str, available: str, what: str, missing: str) -> None:
    if not text:
        return
    wanted = numbers(text)
    if wanted is None:
        raise InvalidInput("", f"Invalid value {text} for {what}: invalid format: {text}")
    if max(wanted) >= _MOST_CPUS:
        words = f"value of out range, maximum is {_MOST_CPUS}"
        raise InvalidInput("", f"Invalid value {text} for {what}: {words}")
    if not wanted <= (numbers(available) or set()):
        raise InvalidInput("", f"{missing} are not available - requested {text}, available: {available}")


def numbers(text: str) -> set[int] | None:
    """What a list of cpuset(7) (``0-3,7``) holds; None if it is none."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            return None
        low, high = int(first), int(last or first)
        if high < low:
            return None
        found.update(range(min(low, _MOST_CPUS), min(high, _MOST_CPUS) + 1))
    return found


def check_update(old: Resources, new: Resources) -> None:
    """InvalidInput where ``new`` (its parts that are not given are 0) contradicts what ``old`` has."""
    both = "Conflicting options: {} cannot be updated as {} has already been set"
    above = new.memory and not new.memory_swap and old.memory_swap >= 0 and new.memory > old.memory_swap
    together = "update the memoryswap at the same time"
    refusals = (
        (new.nano_cpus and old.cpu_period, both.format("Nano CPUs", "CPU Period")),
        (new.nano_cpus and old.cpu_quota, both.format("Nano CPUs", "CPU Quota")),
        (new.cpu_period and old.nano_cpus, both.format("CPU Period", "NanoCPUs")),
        (new.cpu_quota and old.nano_cpus, both.format("CPU Quota", "NanoCPUs")),
        (above, f"Memory limit should be smaller than already set memoryswap limit, {together}"),
    )  # fmt: skip
    _refuse(refusals)
