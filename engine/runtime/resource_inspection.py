"""Owns how ``inspect`` shows limits, in Docker's members of HostConfig; pure.

Source: Docker Engine API, Resources and HostConfig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.options import CreateOptions, DeviceRate

_DEFAULT_SHM = 64 << 20


def shown_resources(options: CreateOptions) -> dict[str, Any]:
    """The members that say what the container may use."""
    given = options.resources
    sysctls = {"Sysctls": dict(options.sysctls)} if options.sysctls else {}
    return {
        "OomScoreAdj": options.oom_score_adj,
        "ShmSize": options.shm_size or _DEFAULT_SHM,
        **sysctls,
        "CpuShares": given.cpu_shares,
        "Memory": given.memory,
        "NanoCpus": given.nano_cpus,
        "CgroupParent": given.cgroup_parent,
        "BlkioWeight": given.blkio_weight,
        "BlkioWeightDevice": [
            {"Path": device.path, "Weight": device.weight} for device in given.blkio_weight_device
        ],
        "BlkioDeviceReadBps": _rates(given.device_read_bps),
        "BlkioDeviceWriteBps": _rates(given.device_write_bps),
        "BlkioDeviceReadIOps": _rates(given.device_read_iops),
        "BlkioDeviceWriteIOps": _rates(given.device_write_iops),
        "CpuPeriod": given.cpu_period,
        "CpuQuota": given.cpu_quota,
        "CpuRealtimePeriod": given.cpu_realtime_period,
        "CpuRealtimeRuntime": given.cpu_realtime_runtime,
        "CpusetCpus": given.cpuset_cpus,
        "CpusetMems": given.cpuset_mems,
        "MemoryReservation": given.memory_reservation,
        "MemorySwap": given.memory_swap or 2 * given.memory,
        "MemorySwappiness": given.memory_swappiness,
        "OomKillDisable": given.oom_kill_disable,
        "PidsLimit": given.pids_limit or None,
        "Ulimits": [{"Name": limit.name, "Hard": limit.hard, "Soft": limit.soft} for limit in given.ulimits],
    }


def _rates(rates: Iterable[DeviceRate]) -> list[dict[str, Any]]:
    return [{"Path": limit.path, "Rate": limit.rate} for limit in rates]
