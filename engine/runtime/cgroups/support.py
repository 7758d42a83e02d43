"""Owns what limits this machine can give: a few files that are there or not; refuses to judge a request.

Source: moby pkg/sysinfo, which looks for the same files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from engine.runtime.cgroups.hosts import read

if TYPE_CHECKING:
    from engine.runtime.cgroups.hosts import HostCgroups


class Support(msgspec.Struct, frozen=True, kw_only=True):
    """Which limits the kernel has; ``cpus`` and ``mems`` are the lists that it allows."""

    memory: bool = True
    swap: bool = True
    memory_reservation: bool = True
    memory_swappiness: bool = True
    oom_kill_disable: bool = True
    pids: bool = True
    cpu_shares: bool = True
    cpu_cfs: bool = True
    cpu_realtime: bool = True
    cpuset: bool = True
    cpus: str = "0"
    mems: str = "0"
    blkio_weight: bool = True
    blkio_weight_device: bool = True
    read_bps: bool = True
    write_bps: bool = True
    read_iops: bool = True
    write_iops: bool = True
    unified: bool = False
    """Whether this is about cgroup v2 alone: some limits exist only before it."""
    count: int = 1
    """Processors that are on."""

    def warnings(self) -> tuple[str, ...]:
        """What ``info`` says of limits that are missing, in Docker's words."""
        lacking = (
            (self.memory, "memory limit"),
            (self.swap, "swap limit"),
            (self.oom_kill_disable or self.unified, "oom kill disable"),
            (self.cpu_cfs, "cpu cfs quota"),
            (self.cpu_cfs, "cpu cfs period"),
            (self.cpu_shares, "cpu shares"),
            (self.cpuset, "cpuset"),
            (self.blkio_weight or not self.unified, "io.weight"),
            (self.blkio_weight_device or not self.unified, "io.weight (per device)"),
            *(
                (given, f"io.max ({name})" if self.unified else f"blkio throttle.{file}")
                for given, name, file in (
                    (self.read_bps, "rbps", "read_bps_device"),
                    (self.write_bps, "wbps", "write_bps_device"),
                    (self.read_iops, "riops", "read_iops_device"),
                    (self.write_iops, "wiops", "write_iops_device"),
                )
            ),
        )
        return tuple(f"WARNING: No {name} support" for given, name in lacking if not given)


def read_support(host: HostCgroups) -> Support:
    """What ``host`` can give now."""
    return _unified(host) if host.pure else _v1(host)


def _unified(host: HostCgroups) -> Support:
    has = set(host.available)
    shares = "io" in has and bool(host.weight_file)
    return Support(
        memory="memory" in has,
        swap=host.swap_accounting,
        memory_reservation="memory" in has,
        memory_swappiness=False,
        oom_kill_disable=False,
        pids="pids" in has,
        cpu_shares="cpu" in has,
        cpu_cfs="cpu" in has,
        cpu_realtime=False,
        cpuset="cpuset" in has,
        cpus=read(f"{host.root}/cpuset.cpus.effective").strip() or "0",
        mems=read(f"{host.root}/cpuset.mems.effective").strip() or "0",
        blkio_weight=shares,
        blkio_weight_device=shares,
        read_bps="io" in has,
        write_bps="io" in has,
        read_iops="io" in has,
        write_iops="io" in has,
        unified=True,
        count=os.cpu_count() or 1,
    )


def _v1(host: HostCgroups) -> Support:
    def has(controller: str, *files: str) -> bool:
        one = host.find(controller)
        return one is not None and all(os.path.exists(f"{one.mount}/{file}") for file in files)

    return Support(
        memory=has("memory"),
        swap=host.swap_accounting,
        memory_reservation=has("memory", "memory.soft_limit_in_bytes"),
        memory_swappiness=has("memory", "memory.swappiness"),
        oom_kill_disable=has("memory", "memory.oom_control"),
        pids=has("pids"),
        cpu_shares=has("cpu", "cpu.shares"),
        cpu_cfs=has("cpu", "cpu.cfs_period_us", "cpu.cfs_quota_us"),
        cpu_realtime=has("cpu", "cpu.rt_period_us", "cpu.rt_runtime_us"),
        cpuset=has("cpuset"),
        cpus=host.cpuset[0] or "0",
        mems=host.cpuset[1] or "0",
        blkio_weight=has("blkio", "blkio.weight"),
        blkio_weight_device=has("blkio", "blkio.weight_device"),
        read_bps=has("blkio", "blkio.throttle.read_bps_device"),
        write_bps=has("blkio", "blkio.throttle.write_bps_device"),
        read_iops=has("blkio", "blkio.throttle.read_iops_device"),
        write_iops=has("blkio", "blkio.throttle.write_iops_device"),
        count=os.cpu_count() or 1,
    )
