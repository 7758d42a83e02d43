"""Owns the values that one container's limits have in cgroup v1's files; pure.

Source: the kernel's cgroup-v1 documents (memory, cpusets, blkio-controller), sched-bwc, sched-rt-group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.runtime.cgroups.plans import CgroupPlan
from engine.runtime.cgroups.shares import period, quota, swap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.options import Resources
    from engine.runtime.cgroups.hosts import Hierarchy, HostCgroups

_Write = tuple[str, str]
_RATES = (
    ("device_read_bps", "read_bps_device"),
    ("device_write_bps", "write_bps_device"),
    ("device_read_iops", "read_iops_device"),
    ("device_write_iops", "write_iops_device"),
)


def part(
    host: HostCgroups,
    one: Hierarchy,
    container_id: str,
    resources: Resources,
    rules: tuple[str, ...] | None,
) -> CgroupPlan:
    """The container's group in the hierarchy ``one``; ``rules`` None leaves all devices to it."""
    levels = host.parent.split("/")
    parents = [f"{one.mount}/{'/'.join(levels[: n + 1])}" for n in range(len(levels))]
    own = f"{parents[-1]}/{container_id}"
    writes: list[_Write] = []
    if "cpuset" in one.controllers:
        writes += _inherited_cpuset(host, parents)
        cpus, mems = resources.cpuset_cpus or host.cpuset[0], resources.cpuset_mems or host.cpuset[1]
        writes += cpuset(own, cpus, mems)
    writes += limits(host, one.controllers, own, resources)
    if "devices" in one.controllers and rules is not None:
        writes.append((f"{own}/devices.deny", "a"))
        writes += [(f"{own}/devices.allow", rule) for rule in rules]
    # A thread that writes itself to "tasks" does not take the lock that waits for an RCU grace period.
    return CgroupPlan(create=(*parents, own), writes=tuple(writes), procs=(f"{own}/tasks",), members=(own,))


def limits(
    host: HostCgroups, controllers: tuple[str, ...], own: str, resources: Resources
) -> Iterator[_Write]:
    """What is written into the directory ``own`` of a hierarchy with ``controllers``, but for its cpuset."""
    if "memory" in controllers:
        yield from memory(own, resources, swap_accounting=host.swap_accounting)
    if "pids" in controllers and resources.pids_limit > 0:
        yield f"{own}/pids.max", str(resources.pids_limit)
    if "cpu" in controllers:
        yield from _cpu(own, resources)
    if "blkio" in controllers:
        yield from _blkio(host, own, resources)


def cpuset(own: str, cpus: str, mems: str) -> Iterator[_Write]:
    """The processors and memory nodes of a group; empty ones are left as they are."""
    if cpus:
        yield f"{own}/cpuset.cpus", cpus
    if mems:
        yield f"{own}/cpuset.mems", mems


def memory(own: str, resources: Resources, *, swap_accounting: bool) -> Iterator[_Write]:
    """The memory limits, in the order in which a group without any takes them."""
    if resources.memory:
        yield f"{own}/memory.limit_in_bytes", str(resources.memory)
    if resources.memory_reservation:
        yield f"{own}/memory.soft_limit_in_bytes", str(resources.memory_reservation)
    if swap_accounting and swap(resources) > 0:
        yield f"{own}/memory.memsw.limit_in_bytes", str(swap(resources))
    if resources.memory_swappiness is not None:
        yield f"{own}/memory.swappiness", str(resources.memory_swappiness)
    if resources.oom_kill_disable:
        yield f"{own}/memory.oom_control", "1"


def _inherited_cpuset(host: HostCgroups, parents: list[str]) -> list[_Write]:
    if host.cpuset_ready:
        return []
    return [write for folder in parents for write in cpuset(folder, *host.cpuset)]


def _cpu(own: str, resources: Resources) -> Iterator[_Write]:
    if resources.cpu_shares:
        yield f"{own}/cpu.shares", str(resources.cpu_shares)
    if length := period(resources):
        yield f"{own}/cpu.cfs_period_us", str(length)
    if bound := quota(resources):
        yield f"{own}/cpu.cfs_quota_us", str(bound)
    if resources.cpu_realtime_period:
        yield f"{own}/cpu.rt_period_us", str(resources.cpu_realtime_period)
    if resources.cpu_realtime_runtime:
        yield f"{own}/cpu.rt_runtime_us", str(resources.cpu_realtime_runtime)


def _blkio(host: HostCgroups, own: str, resources: Resources) -> Iterator[_Write]:
    if resources.blkio_weight:
        yield f"{own}/blkio.weight", str(resources.blkio_weight)
    for device in resources.blkio_weight_device:
        yield f"{own}/blkio.weight_device", f"{host.numbers[device.path]} {device.weight}"
    for field, file in _RATES:
        for limit in getattr(resources, field):
            yield f"{own}/blkio.throttle.{file}", f"{host.numbers[limit.path]} {limit.rate}"
