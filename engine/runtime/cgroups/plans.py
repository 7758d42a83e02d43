"""Owns the plan of a container's control groups, v1, hybrid and v2; pure.

Refuses to create or write any: the supervisor does, in the plan's order.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import msgspec

from engine.runtime.cgroups.hosts import CALLERS, PARENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.options import Resources
    from engine.runtime.cgroups.hosts import Hierarchy, HostCgroups

_Item = TypeVar("_Item")
_SUPERVISORS = "supervisors"
CONTROLLERS = ("memory", "pids", "cpu", "cpuacct", "cpuset", "blkio", "freezer", "devices")
"""The v1 controllers in whose hierarchies a container has a group."""
DEVICES = (
    "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm",
    "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm",
)  # fmt: skip
"""Docker's: every node may be made, only null zero full random urandom tty console ptmx pts be opened."""


class CgroupPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor does; ``members`` are the container's own directories."""

    create: tuple[str, ...] = ()
    vacate: tuple[str, str] | None = None
    """A directory and the leaf below it, into which its processes go before controllers are passed on."""
    writes: tuple[tuple[str, str], ...] = ()
    devices: tuple[str, tuple[str, ...]] | None = None
    """The v2 directory, and the rules that its program allows devices by."""
    procs: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    freezer: tuple[int, str] | None = None
    """The cgroup version and the directory with which the container is paused."""
    memory_events: str | None = None
    supervisor_procs: tuple[str, ...] = ()

    def bundle(self) -> dict[str, object]:
        """The ``cgroup`` object of bundle.json."""
        return {
            "create": list(self.create),
            "vacate": list(self.vacate) if self.vacate else None,
            "writes": [list(write) for write in self.writes],
            "devices": {"dir": self.devices[0], "rules": list(self.devices[1])} if self.devices else None,
            "procs": list(self.procs),
            "kill": list(self.members),
            "memory_events": self.memory_events,
            "freezer": {"version": self.freezer[0], "dir": self.freezer[1]} if self.freezer else None,
            "supervisor_procs": list(self.supervisor_procs),
        }


def cgroup_plan(
    host: HostCgroups,
    container_id: str,
    resources: Resources,
    *,
    privileged: bool = False,
    devices: tuple[str, ...] = (),
) -> CgroupPlan:
    """The control groups of ``container_id``; empty where the host has no hierarchy mounted.

    ``devices`` are rules beside Docker's own, in the form of devices.allow: ``c 10:229 rwm``.
    """
    rules = None if privileged else (*DEVICES, *devices)
    if host.pure:
        return _unified_plan(host, container_id, resources, rules)
    from engine.runtime.cgroups import v1

    parts = [v1.part(host, one, container_id, resources, rules) for one in _used(host)]
    supervisors = _supervisor_groups(host)
    memory, freezes = host.find("memory"), host.find("freezer")
    return CgroupPlan(
        create=(*_flat(part.create for part in parts), *_parents(folder for folder, _ in supervisors)),
        writes=tuple(_flat(part.writes for part in parts)),
        procs=tuple(_flat(part.procs for part in parts)),
        members=tuple(_flat(part.members for part in parts)),
        freezer=(1, f"{freezes.mount}/{host.parent}/{container_id}") if freezes else None,
        memory_events=f"{memory.mount}/{host.parent}/{container_id}/memory.oom_control" if memory else None,
        supervisor_procs=tuple(f"{folder}/{file}" for folder, file in supervisors),
    )


def session_procs(host: HostCgroups) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """For long work outside containers: the directories to make, and the files to join by."""
    folders = [folder for folder, _ in _supervisor_groups(host)]
    return tuple(_parents(folders)), tuple(f"{folder}/cgroup.procs" for folder in folders)


def visible_mounts(host: HostCgroups, container_id: str) -> tuple[tuple[str, str], ...]:
    """What the container sees below /sys/fs/cgroup: (directory on the host, name below it)."""
    if host.pure:
        return ((f"{host.root}/{host.parent}/{container_id}", ""),)
    return tuple(
        (f"{one.mount}/{host.parent}/{container_id}", os.path.basename(one.mount)) for one in _used(host)
    )


def _supervisor_groups(host: HostCgroups) -> list[tuple[str, str]]:
    """Folder and joining file, where a caller's service manager does not look for its own."""
    groups = [(f"{one.mount}/{PARENT}/{_SUPERVISORS}", "tasks") for one in host.hierarchies if one.name]
    if host.unified and (host.pure or host.systemd):
        groups.append((f"{host.root}/{PARENT}/{_SUPERVISORS}", "cgroup.procs"))
    return groups


def _used(host: HostCgroups) -> list[Hierarchy]:
    return [one for one in host.hierarchies if set(CONTROLLERS) & set(one.controllers)]


def _unified_plan(
    host: HostCgroups, container_id: str, resources: Resources, rules: tuple[str, ...] | None
) -> CgroupPlan:
    from engine.runtime.cgroups import v2

    own, supervisors = f"{host.root}/{host.parent}/{container_id}", f"{host.root}/{PARENT}/{_SUPERVISORS}"
    passing = v2.passing_on(host)
    create = [*host.levels()[1:], *_parents([supervisors]), own]
    return CgroupPlan(
        create=tuple(dict.fromkeys(create)),
        vacate=(host.base, f"{host.base}/{CALLERS}") if host.base and passing else None,
        writes=(*passing, *v2.limits(host, own, resources)),
        devices=(own, rules) if rules is not None and host.bpf else None,
        procs=(f"{own}/cgroup.procs",),
        members=(own,),
        freezer=(2, own),
        memory_events=f"{own}/memory.events" if "memory" in host.available else None,
        supervisor_procs=(f"{supervisors}/cgroup.procs",),
    )


def _parents(folders: Iterable[str]) -> list[str]:
    return [path for folder in folders for path in (os.path.dirname(folder), folder)]


def _flat(parts: Iterable[Iterable[_Item]]) -> list[_Item]:
    return [item for part in parts for item in part]
