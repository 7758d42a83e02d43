"""Owns changes of a container's limits: what they make of its record, what is written while it runs; pure.

Sources: moby container/container_unix.go (UpdateContainer), runc's order for memory and swap under v1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.runtime.cgroups import v1, v2
from engine.runtime.cgroups.shares import period, quota, swap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.options import Resources, UpdateOptions
    from engine.runtime.cgroups.hosts import HostCgroups

_Write = tuple[str, str]
_FIELDS = (
    "memory", "memory_swap", "memory_reservation", "nano_cpus", "cpu_shares", "cpu_period", "cpu_quota",
    "cpu_realtime_period", "cpu_realtime_runtime", "cpuset_cpus", "cpuset_mems", "blkio_weight",
)  # fmt: skip
"""What Docker's update takes; of these 0 and the empty text mean that nothing is changed."""


def merged(old: Resources, wanted: UpdateOptions) -> Resources:
    """``old`` with what ``wanted`` gives."""
    new = wanted.resources
    changes = {field: getattr(new, field) for field in _FIELDS if getattr(new, field)}
    if wanted.pids_limit is not None:
        changes["pids_limit"] = max(wanted.pids_limit, 0)
    return msgspec.structs.replace(old, **changes)


def update_writes(
    host: HostCgroups, members: Iterable[str], old: Resources, wanted: UpdateOptions
) -> tuple[_Write, ...]:
    """What is written into the container's directories ``members``, in an order that the kernel takes."""
    writer = _unified if host.pure else _v1
    return tuple(write for own in members for write in writer(host, own, old, wanted))


def _v1(host: HostCgroups, own: str, old: Resources, wanted: UpdateOptions) -> Iterator[_Write]:
    one = max(
        (one for one in host.hierarchies if own.startswith(f"{one.mount}/")),
        key=lambda one: len(one.mount),
        default=None,
    )
    if one is None:
        return
    new, after = wanted.resources, merged(old, wanted)
    if "cpuset" in one.controllers:
        yield from v1.cpuset(own, new.cpuset_cpus, new.cpuset_mems)
    if "pids" in one.controllers and wanted.pids_limit is not None:
        yield f"{own}/pids.max", _count(after.pids_limit)
    if "memory" in one.controllers:
        yield from _v1_memory(host, own, old, wanted)
    others = msgspec.structs.replace(new, memory=0, memory_swap=0, memory_reservation=0, pids_limit=0)
    yield from v1.limits(host, one.controllers, own, others)


def _v1_memory(host: HostCgroups, own: str, old: Resources, wanted: UpdateOptions) -> Iterator[_Write]:
    """The limit of both may never be below that of memory: so what is raised of them goes first."""
    new = wanted.resources
    limit = [(f"{own}/memory.limit_in_bytes", str(new.memory))] if new.memory else []
    both = (
        [(f"{own}/memory.memsw.limit_in_bytes", str(new.memory_swap))]
        if new.memory_swap and host.swap_accounting
        else []
    )
    raised = new.memory_swap < 0 or (old.memory and new.memory_swap >= old.memory)
    yield from (*both, *limit) if raised else (*limit, *both)
    if new.memory_reservation:
        yield f"{own}/memory.soft_limit_in_bytes", str(new.memory_reservation)


def _unified(host: HostCgroups, own: str, old: Resources, wanted: UpdateOptions) -> Iterator[_Write]:
    new, after = wanted.resources, merged(old, wanted)
    if new.memory:
        yield f"{own}/memory.max", str(new.memory)
    if (new.memory or new.memory_swap) and after.memory and host.swap_accounting:
        both = swap(after)
        yield f"{own}/memory.swap.max", str(max(both - after.memory, 0)) if both >= 0 else "max"
    if wanted.pids_limit is not None:
        yield f"{own}/pids.max", _count(after.pids_limit)
    if period(new) or quota(new):
        yield f"{own}/cpu.max", v2.cpu_max(after)
    others = msgspec.structs.replace(
        new, memory=0, memory_swap=0, nano_cpus=0, cpu_period=0, cpu_quota=0, pids_limit=0
    )
    yield from v2.limits(host, own, others)


def _count(limit: int) -> str:
    return str(limit) if limit > 0 else "max"
