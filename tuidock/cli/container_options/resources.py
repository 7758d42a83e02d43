"""Owns the flags of what a container may use: memory, processors, processes, and limits of the kernel's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.options import Resources
from tuidock.cli.command import SpecError
from tuidock.cli.flags import many, number, switch, text
from tuidock.cli.specs import limits, scalars

if TYPE_CHECKING:
    from engine.options import Ulimit
    from tuidock.cli.command import Invocation
    from tuidock.cli.flags import Flag


def _bytes(name: str, summary: str, short: str = "") -> Flag:
    return text(name, summary, short, kind="bytes", convert=scalars.size)


CHANGEABLE = (
    text(
        "blkio-weight",
        "Block IO (relative weight), between 10 and 1000, or 0 to disable",
        kind="uint16",
        convert=limits.uint16,
    ),
    number("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period"),
    number("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota"),
    number("cpu-rt-period", "Limit CPU real-time period in microseconds"),
    number("cpu-rt-runtime", "Limit CPU real-time runtime in microseconds"),
    number("cpu-shares", "CPU shares (relative weight)", "c"),
    text("cpus", "Number of CPUs", kind="decimal", convert=scalars.nano_cpus),
    text("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
    text("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)"),
    _bytes("memory", "Memory limit", "m"),
    _bytes("memory-reservation", "Memory soft limit"),
    text(
        "memory-swap",
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
        kind="bytes",
        convert=scalars.swap_size,
    ),
    number("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
)
"""Those that ``update`` has too."""

FLAGS = (
    *CHANGEABLE,
    many("blkio-weight-device", "Block IO weight (relative device weight)", convert=limits.device_weight),
    text("cgroup-parent", "Optional parent cgroup for the container"),
    many("device-read-bps", "Limit read rate (bytes per second) from a device", convert=limits.device_bytes),
    many(
        "device-read-iops",
        "Limit read rate (IO per second) from a device",
        convert=limits.device_operations,
    ),
    many("device-write-bps", "Limit write rate (bytes per second) to a device", convert=limits.device_bytes),
    many(
        "device-write-iops",
        "Limit write rate (IO per second) to a device",
        convert=limits.device_operations,
    ),
    number("memory-swappiness", "Tune container memory swappiness (0 to 100)", default=-1),
    switch("oom-kill-disable", "Disable OOM Killer"),
    number("oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)"),
    _bytes("shm-size", "Size of /dev/shm"),
    many("sysctl", "Sysctl options", kind="map", convert=limits.sysctl),
    many("ulimit", "Ulimit options", kind="ulimit", convert=limits.ulimit),
)
_SWAPPIEST = 100


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set."""
    value = invocation.value
    return {
        "resources": Resources(
            **changeable(invocation),
            pids_limit=max(value("pids-limit") or 0, 0),
            memory_swappiness=_swappiness(value("memory-swappiness")),
            oom_kill_disable=invocation.switch("oom-kill-disable"),
            blkio_weight_device=value("blkio-weight-device"),
            device_read_bps=value("device-read-bps"),
            device_write_bps=value("device-write-bps"),
            device_read_iops=value("device-read-iops"),
            device_write_iops=value("device-write-iops"),
            ulimits=_ulimits(value("ulimit")),
            cgroup_parent=invocation.text("cgroup-parent"),
        ),
        "shm_size": value("shm-size") or 0,
        "sysctls": dict(value("sysctl")),
        "oom_score_adj": value("oom-score-adj") or 0,
    }


def changeable(invocation: Invocation) -> dict[str, Any]:
    """The fields of Resources that ``update`` can set too, but for the number of processes."""
    value = invocation.value
    return {
        "memory": value("memory") or 0,
        "memory_swap": value("memory-swap") or 0,
        "memory_reservation": value("memory-reservation") or 0,
        "nano_cpus": value("cpus") or 0,
        "cpu_shares": value("cpu-shares") or 0,
        "cpu_period": value("cpu-period") or 0,
        "cpu_quota": value("cpu-quota") or 0,
        "cpu_realtime_period": value("cpu-rt-period") or 0,
        "cpu_realtime_runtime": value("cpu-rt-runtime") or 0,
        "cpuset_cpus": invocation.text("cpuset-cpus"),
        "cpuset_mems": invocation.text("cpuset-mems"),
        "blkio_weight": value("blkio-weight") or 0,
    }


def _swappiness(value: int) -> int | None:
    if not -1 <= value <= _SWAPPIEST:
        raise SpecError(f"invalid value: {value}. Valid memory swappiness range is 0-100")
    return None if value == -1 else value


def _ulimits(found: tuple[Ulimit, ...]) -> tuple[Ulimit, ...]:
    """One of each name, the last that was given; in the order of the names."""
    last = {limit.name: limit for limit in found}
    return tuple(last[name] for name in sorted(last))
