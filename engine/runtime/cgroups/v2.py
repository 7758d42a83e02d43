"""Owns the values that one container's limits have in cgroup v2's files; pure.

Source: the kernel's cgroup-v2 document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.runtime.cgroups.shares import io_weight, period, quota, swap, weight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.options import Resources
    from engine.runtime.cgroups.hosts import HostCgroups

_Write = tuple[str, str]
_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")
_RATES = (
    ("device_read_bps", "rbps"),
    ("device_write_bps", "wbps"),
    ("device_read_iops", "riops"),
    ("device_write_iops", "wiops"),
)
_DEFAULT_PERIOD = 100_000


def passing_on(host: HostCgroups) -> tuple[_Write, ...]:
    """What makes the controllers reach the container's group: from the top, each group to its children."""
    missing = [name for name in _CONTROLLERS if name in host.available and name not in host.enabled]
    control = " ".join(f"+{name}" for name in missing)
    return tuple((f"{folder}/cgroup.subtree_control", control) for folder in host.levels() if control)


def limits(host: HostCgroups, own: str, resources: Resources) -> Iterator[_Write]:
    """What is written into the directory ``own``."""
    yield from memory(own, resources, swap_accounting=host.swap_accounting)
    if resources.pids_limit > 0:
        yield f"{own}/pids.max", str(resources.pids_limit)
    if resources.cpu_shares:
        yield f"{own}/cpu.weight", str(weight(resources.cpu_shares))
    if period(resources) or quota(resources):
        yield f"{own}/cpu.max", cpu_max(resources)
    if resources.cpuset_cpus:
        yield f"{own}/cpuset.cpus", resources.cpuset_cpus
    if resources.cpuset_mems:
        yield f"{own}/cpuset.mems", resources.cpuset_mems
    yield from _io(host, own, resources)


def memory(own: str, resources: Resources, *, swap_accounting: bool) -> Iterator[_Write]:
    """The memory limits; swap is counted by itself here."""
    if resources.memory:
        yield f"{own}/memory.max", str(resources.memory)
    if resources.memory and swap_accounting:
        both = swap(resources)
        yield f"{own}/memory.swap.max", str(both - resources.memory) if both >= 0 else "max"
    if resources.memory_reservation:
        yield f"{own}/memory.low", str(resources.memory_reservation)


def cpu_max(resources: Resources) -> str:
    """Quota and period of cpu.max."""
    bound = quota(resources)
    return f"{bound if bound > 0 else 'max'} {period(resources) or _DEFAULT_PERIOD}"


def _io(host: HostCgroups, own: str, resources: Resources) -> Iterator[_Write]:
    convert = io_weight if host.weight_file == "io.weight" else int
    if resources.blkio_weight:
        yield f"{own}/{host.weight_file}", str(convert(resources.blkio_weight))
    for device in resources.blkio_weight_device:
        yield f"{own}/{host.weight_file}", f"{host.numbers[device.path]} {convert(device.weight)}"
    for field, key in _RATES:
        for limit in getattr(resources, field):
            yield f"{own}/io.max", f"{host.numbers[limit.path]} {key}={limit.rate or 'max'}"
