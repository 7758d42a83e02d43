"""Owns the plan of a container's control groups, v1, hybrid and v2, from texts that it is given.

Refuses to create or write any: the supervisor does, in the plan's order. Sources: cgroups(7), the kernel's
cgroup-v1 and cgroup-v2 documents; runc's conversion of CPU shares to weights.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

import msgspec

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.options import Resources

_Item = TypeVar("_Item")
PARENT = "tuidock"
_SUPERVISORS = "supervisors"
_CONTROLLERS = ("memory", "pids", "cpu", "cpuacct", "freezer", "devices")
_UNIFIED_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
_PERIOD = 100_000
_BILLION = 1_000_000_000
_FEWEST_CPUS = _BILLION // 100
_SMALLEST_MEMORY = 6 << 20
_DEVICES_ALLOWED = (
    "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm",
    "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm",
)  # fmt: skip
"""Docker's: every node may be made, only null zero full random urandom tty console ptmx pts be opened."""


class Hierarchy(msgspec.Struct, frozen=True):
    """One mounted hierarchy; ``controllers`` is empty for cgroup v2."""

    mount: str
    controllers: tuple[str, ...] = ()
    name: str = ""
    """Of a v1 hierarchy without controllers: systemd."""


class HostCgroups(msgspec.Struct, frozen=True, kw_only=True):
    """What the host has: v1 hierarchies, and the v2 one (``pure`` if it has the controllers)."""

    hierarchies: tuple[Hierarchy, ...] = ()
    unified: str = ""
    available: tuple[str, ...] = ()
    """Controllers that cgroup.controllers of the v2 root lists."""
    enabled: frozenset[str] = frozenset()
    """Of ``available``: what the v2 root and our parent group already pass on to their children."""
    cpuset: tuple[str, str] = ("", "")
    """cpus and mems of the v1 cpuset root, which a child has to copy before anything can join it."""

    systemd: bool = False
    """Whether systemd is pid 1: on a hybrid host it tracks services by the v2 hierarchy too."""
    swap_accounting: bool = False
    """Whether v1's memory controller counts swap."""

    @property
    def pure(self) -> bool:
        """Whether this is cgroup v2 alone."""
        return not self.hierarchies and bool(self.unified)

    @property
    def guards_devices(self) -> bool:
        """Whether a list of devices is written: else a node that is made, or found, can be opened."""
        return self.find("devices") is not None

    @property
    def version(self) -> str:
        """``1``, ``2``, or empty if no hierarchy is mounted."""
        return "1" if self.hierarchies else "2" if self.unified else ""

    def find(self, controller: str) -> Hierarchy | None:
        """The v1 hierarchy that carries ``controller``."""
        return next((one for one in self.hierarchies if controller in one.controllers), None)


class CgroupPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor does; ``members`` are the container's own directories."""

    create: tuple[str, ...] = ()
    writes: tuple[tuple[str, str], ...] = ()
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
            "writes": [list(write) for write in self.writes],
            "procs": list(self.procs),
            "kill": list(self.members),
            "memory_events": self.memory_events,
            "freezer": {"version": self.freezer[0], "dir": self.freezer[1]} if self.freezer else None,
            "supervisor_procs": list(self.supervisor_procs),
        }


def parse_mountinfo(text: str) -> HostCgroups:
    """The hierarchies that /proc/self/mountinfo (proc_pid_mountinfo(5)) names, none enabled yet."""
    hierarchies: dict[tuple[str, ...], Hierarchy] = {}
    unified = ""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.partition(" ")
        if kind not in {"cgroup", "cgroup2"}:
            continue
        mount = before.split()[4].replace("\\040", " ")
        if kind == "cgroup2":
            unified = unified or mount
            continue
        words = options.split()[-1].split(",")
        name = next((word[5:] for word in words if word.startswith("name=")), "")
        controllers = tuple(word for word in words if word in _V1_CONTROLLERS)
        hierarchies.setdefault((*controllers, name), Hierarchy(mount, controllers, name))
    return HostCgroups(hierarchies=tuple(hierarchies.values()), unified=unified)


_V1_CONTROLLERS = frozenset(
    "cpuset cpu cpuacct blkio memory devices freezer net_cls perf_event net_prio hugetlb pids rdma".split()
)


def check_resources(resources: Resources, host: HostCgroups) -> None:
    """InvalidInput for limits that no kernel takes, or that this host has no controller for."""
    if resources.memory and resources.memory < _SMALLEST_MEMORY:
        raise InvalidInput("", "Minimum memory limit allowed is 6MB")
    if resources.memory_swap > 0 and not resources.memory:
        raise InvalidInput("", "You should always set the Memory limit when using Memoryswap limit")
    if 0 < resources.memory_swap < resources.memory:
        raise InvalidInput("", "Minimum memoryswap limit should be larger than memory limit")
    if resources.memory and resources.memory_reservation > resources.memory:
        raise InvalidInput("", "Minimum memory limit can not be less than memory reservation limit")
    _check_share(resources, os.cpu_count() or 1)
    if resources.cpuset_cpus:
        _check_cpuset(resources.cpuset_cpus, os.sysconf("SC_NPROCESSORS_CONF"))
    wanted = (
        ("memory", resources.memory or resources.memory_reservation),
        ("pids", resources.pids_limit > 0),
        ("cpu", resources.nano_cpus or resources.cpu_shares),
        ("cpuset", resources.cpuset_cpus),
    )
    for controller, given in wanted:
        if given and not _has(host, controller):
            raise InvalidInput(
                f"{controller} limit",
                "this machine has no such control group controller",
                remedy=f"run without it, or boot the kernel with the {controller} controller enabled",
            )


def _check_share(resources: Resources, count: int) -> None:
    if resources.nano_cpus and not _FEWEST_CPUS <= resources.nano_cpus <= count * _BILLION:
        words = f"Range of CPUs is from 0.01 to {count}.00, as there are only {count} CPUs available"
        raise InvalidInput("", words)


def _check_cpuset(text: str, count: int) -> None:
    """``count`` includes processors that are switched off: the kernel refuses those."""
    try:
        last = max(int(number) for part in text.split(",") for number in part.split("-"))
    except ValueError:
        raise InvalidInput("", f"Invalid value {text} for cpuset cpus") from None
    if last >= count:
        words = f"requested {text}, available: 0-{count - 1}"
        raise InvalidInput("Requested CPUs are not available", words)


def cgroup_plan(
    host: HostCgroups, container_id: str, resources: Resources, *, privileged: bool = False
) -> CgroupPlan:
    """The control groups of ``container_id``; empty where the host has no hierarchy mounted."""
    if host.pure:
        return _unified_plan(host, container_id, resources)
    parts = [_v1_part(host, one, container_id, resources, privileged) for one in _used(host, resources)]
    supervisors = _supervisor_groups(host)
    memory, freezes = host.find("memory"), host.find("freezer")
    return CgroupPlan(
        create=(*_flat(part.create for part in parts), *_parents(folder for folder, _ in supervisors)),
        writes=tuple(_flat(part.writes for part in parts)),
        procs=tuple(_flat(part.procs for part in parts)),
        members=tuple(_flat(part.members for part in parts)),
        freezer=(1, f"{freezes.mount}/{PARENT}/{container_id}") if freezes else None,
        memory_events=f"{memory.mount}/{PARENT}/{container_id}/memory.oom_control" if memory else None,
        supervisor_procs=tuple(f"{folder}/{file}" for folder, file in supervisors),
    )


def procs_file(host: HostCgroups, container_id: str) -> str | None:
    """The file that lists the container's processes."""
    if host.pure:
        return f"{host.unified}/{PARENT}/{container_id}/cgroup.procs"
    one = host.find("pids") or host.find("freezer") or host.find("memory")
    return f"{one.mount}/{PARENT}/{container_id}/cgroup.procs" if one else None


def session_procs(host: HostCgroups) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """For long work outside containers: the directories to make, and the files to join by."""
    folders = [folder for folder, _ in _supervisor_groups(host)]
    return tuple(_parents(folders)), tuple(f"{folder}/cgroup.procs" for folder in folders)


def visible_mounts(host: HostCgroups, container_id: str) -> tuple[tuple[str, str], ...]:
    """What the container sees below /sys/fs/cgroup: (directory on the host, name below it)."""
    if host.pure:
        return ((f"{host.unified}/{PARENT}/{container_id}", ""),)
    return tuple(
        (f"{one.mount}/{PARENT}/{container_id}", os.path.basename(one.mount))
        for one in host.hierarchies
        if set(one.controllers) & set(_CONTROLLERS)
    )


def read_host() -> HostCgroups:
    """What this machine has now: a few small reads."""
    host = parse_mountinfo(_read("/proc/self/mountinfo"))
    host = msgspec.structs.replace(host, systemd=os.path.isdir("/run/systemd/system"))
    if host.pure:
        available = tuple(_read(f"{host.unified}/cgroup.controllers").split())
        passed = set(_read(f"{host.unified}/cgroup.subtree_control").split())
        passed &= set(_read(f"{host.unified}/{PARENT}/cgroup.subtree_control").split())
        return msgspec.structs.replace(host, available=available, enabled=frozenset(passed))
    memory, cpuset = host.find("memory"), host.find("cpuset")
    if memory is not None:
        counts = os.path.exists(f"{memory.mount}/memory.memsw.limit_in_bytes")
        host = msgspec.structs.replace(host, swap_accounting=counts)
    if cpuset is None:
        return host
    root = (_read(f"{cpuset.mount}/cpuset.cpus").strip(), _read(f"{cpuset.mount}/cpuset.mems").strip())
    return msgspec.structs.replace(host, cpuset=root)


def _supervisor_groups(host: HostCgroups) -> list[tuple[str, str]]:
    """Folder and joining file, where a caller's service manager does not look for its own."""
    groups = [(f"{one.mount}/{PARENT}/{_SUPERVISORS}", "tasks") for one in host.hierarchies if one.name]
    if host.unified and (host.pure or host.systemd):
        groups.append((f"{host.unified}/{PARENT}/{_SUPERVISORS}", "cgroup.procs"))
    return groups


def _used(host: HostCgroups, resources: Resources) -> list[Hierarchy]:
    wanted = {*_CONTROLLERS, "cpuset"} if resources.cpuset_cpus else set(_CONTROLLERS)
    return [one for one in host.hierarchies if wanted & set(one.controllers)]


def _v1_part(
    host: HostCgroups, one: Hierarchy, container_id: str, resources: Resources, privileged: bool
) -> CgroupPlan:
    parent, own = f"{one.mount}/{PARENT}", f"{one.mount}/{PARENT}/{container_id}"
    writes: list[tuple[str, str]] = []
    if "cpuset" in one.controllers:
        cpus, mems = host.cpuset
        writes += [(f"{parent}/cpuset.cpus", cpus), (f"{parent}/cpuset.mems", mems)]
        writes += [
            (f"{own}/cpuset.cpus", resources.cpuset_cpus or cpus),
            (f"{own}/cpuset.mems", mems),
        ]
    if "memory" in one.controllers:
        writes += _v1_memory(own, resources, swap_accounting=host.swap_accounting)
    if "pids" in one.controllers and resources.pids_limit > 0:
        writes.append((f"{own}/pids.max", str(resources.pids_limit)))
    if "cpu" in one.controllers:
        if resources.cpu_shares:
            writes.append((f"{own}/cpu.shares", str(resources.cpu_shares)))
        if resources.nano_cpus:
            writes.append((f"{own}/cpu.cfs_period_us", str(_PERIOD)))
            writes.append((f"{own}/cpu.cfs_quota_us", str(_quota(resources))))
    if "devices" in one.controllers and not privileged:
        writes.append((f"{own}/devices.deny", "a"))
        writes += [(f"{own}/devices.allow", rule) for rule in _DEVICES_ALLOWED]
    # A thread that writes itself to "tasks" does not take the lock that waits for an RCU grace period.
    return CgroupPlan(create=(parent, own), writes=tuple(writes), procs=(f"{own}/tasks",), members=(own,))


def _v1_memory(own: str, resources: Resources, *, swap_accounting: bool) -> list[tuple[str, str]]:
    writes = []
    if resources.memory:
        writes.append((f"{own}/memory.limit_in_bytes", str(resources.memory)))
    if resources.memory_reservation:
        writes.append((f"{own}/memory.soft_limit_in_bytes", str(resources.memory_reservation)))
    if resources.memory and (swap := _swap(resources)) >= 0 and swap_accounting:
        writes.append((f"{own}/memory.memsw.limit_in_bytes", str(swap)))
    return writes


def _unified_plan(host: HostCgroups, container_id: str, resources: Resources) -> CgroupPlan:
    parent = f"{host.unified}/{PARENT}"
    own, supervisors = f"{parent}/{container_id}", f"{parent}/{_SUPERVISORS}"
    writes = []
    missing = [name for name in _UNIFIED_CONTROLLERS if name in host.available and name not in host.enabled]
    if missing:
        control = " ".join(f"+{name}" for name in missing)
        writes += [
            (f"{host.unified}/cgroup.subtree_control", control),
            (f"{parent}/cgroup.subtree_control", control),
        ]
    if resources.memory:
        writes.append((f"{own}/memory.max", str(resources.memory)))
        swap = _swap(resources)
        writes.append((f"{own}/memory.swap.max", str(swap - resources.memory) if swap >= 0 else "max"))
    if resources.memory_reservation:
        writes.append((f"{own}/memory.low", str(resources.memory_reservation)))
    if resources.pids_limit > 0:
        writes.append((f"{own}/pids.max", str(resources.pids_limit)))
    if resources.cpu_shares:
        writes.append((f"{own}/cpu.weight", str(_weight(resources.cpu_shares))))
    if resources.nano_cpus:
        writes.append((f"{own}/cpu.max", f"{_quota(resources)} {_PERIOD}"))
    if resources.cpuset_cpus:
        writes.append((f"{own}/cpuset.cpus", resources.cpuset_cpus))
    return CgroupPlan(
        create=(parent, supervisors, own),
        writes=tuple(writes),
        procs=(f"{own}/cgroup.procs",),
        members=(own,),
        freezer=(2, own),
        memory_events=f"{own}/memory.events" if "memory" in host.available else None,
        supervisor_procs=(f"{supervisors}/cgroup.procs",),
    )


def _has(host: HostCgroups, controller: str) -> bool:
    return controller in host.available if host.pure else host.find(controller) is not None


def _swap(resources: Resources) -> int:
    """Memory and swap together; negative is no limit, and not given is Docker's twice the memory."""
    return resources.memory_swap or 2 * resources.memory


def _quota(resources: Resources) -> int:
    return max(1000, resources.nano_cpus * _PERIOD // 1_000_000_000)


def _weight(shares: int) -> int:
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def _parents(folders: Iterable[str]) -> list[str]:
    return [path for folder in folders for path in (os.path.dirname(folder), folder)]


def _flat(parts: Iterable[Iterable[_Item]]) -> list[_Item]:
    return [item for part in parts for item in part]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
