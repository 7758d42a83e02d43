"""Owns what the host has of control groups: its hierarchies, and where containers' groups go; only reads.

Sources: cgroups(7), the kernel's cgroup-v1 and cgroup-v2 documents; systemd's CGROUP_DELEGATION.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

import msgspec

from engine.errors import CommandNotFound, InvalidInput

if TYPE_CHECKING:
    from engine.options import Resources

PARENT = "tuidock"
CALLERS = f"{PARENT}.callers"
"""The leaf of a delegated group into which its own processes go: beside groups none may be (cgroups(7))."""
_DELEGATED = ("user.delegate", "trusted.delegate")
_V1_CONTROLLERS = frozenset(
    "cpuset cpu cpuacct blkio memory devices freezer net_cls perf_event net_prio hugetlb pids rdma".split()
)
_WHOLE_ID_MAP = ["0", "0", "4294967295"]


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
    base: str = ""
    """The v2 directory that is the engine's to divide: the root, or a group that was delegated to it."""
    parent: str = PARENT
    """Where containers' groups go, below each v1 hierarchy's mount and below ``base``."""
    available: tuple[str, ...] = ()
    """Controllers that cgroup.controllers of the v2 ``base`` lists."""
    enabled: frozenset[str] = frozenset()
    """Of ``available``: what ``base`` and all groups down to ``parent`` already pass on to their children."""
    cpuset: tuple[str, str] = ("", "")
    """cpus and mems of the v1 cpuset root, which a child has to copy before anything can join it."""
    cpuset_ready: bool = False
    """Whether the v1 ``parent`` has copied them already."""
    systemd: bool = False
    """Whether systemd is pid 1: on a hybrid host it tracks services by the v2 hierarchy too."""
    swap_accounting: bool = False
    """Whether the memory controller counts swap."""
    bpf: bool = False
    """Whether programs can be attached to v2 groups: the kernel has them, and this is the host's root."""
    weight_file: str = ""
    """What sets a share of the disks' time under v2: io.weight, io.bfq.weight, or nothing."""
    numbers: dict[str, str] = {}
    """Major and minor number (``8:0``) of the block devices that limits name, by path."""

    @property
    def pure(self) -> bool:
        """Whether this is cgroup v2 alone."""
        return not self.hierarchies and bool(self.unified)

    @property
    def root(self) -> str:
        """The v2 directory under which the engine's groups are."""
        return self.base or self.unified

    @property
    def guards_devices(self) -> bool:
        """Whether the kernel holds a list of devices: else a node that is made, or found, can be opened."""
        return self.find("devices") is not None or (self.pure and self.bpf)

    @property
    def version(self) -> str:
        """``1``, ``2``, or empty if no hierarchy is mounted."""
        return "1" if self.hierarchies else "2" if self.unified else ""

    def find(self, controller: str) -> Hierarchy | None:
        """The v1 hierarchy that carries ``controller``."""
        return next((one for one in self.hierarchies if controller in one.controllers), None)

    def levels(self) -> tuple[str, ...]:
        """The v2 directories from ``base`` down to the parent of containers' groups."""
        parts = self.parent.split("/")
        return (self.root, *(f"{self.root}/{'/'.join(parts[: n + 1])}" for n in range(len(parts))))


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


def read_host(resources: Resources | None = None) -> HostCgroups:
    """What this machine has now, for a container with ``resources``: a few small reads.

    InvalidInput for a device that is not there.
    """
    host = parse_mountinfo(read("/proc/self/mountinfo"))
    parent = parent_group(resources.cgroup_parent) if resources is not None else PARENT
    numbers = _numbers(resources.devices) if resources is not None else {}
    systemd = os.path.isdir("/run/systemd/system")
    host = msgspec.structs.replace(host, systemd=systemd, parent=parent, numbers=numbers)
    return _read_unified(host) if host.pure else _read_v1(host)


def parent_group(wanted: str) -> str:
    """``--cgroup-parent`` as a path below the root of the hierarchies; nothing leads out of them."""
    return posixpath.normpath(f"/{wanted}").strip("/") or PARENT


def _read_v1(host: HostCgroups) -> HostCgroups:
    memory, cpuset = host.find("memory"), host.find("cpuset")
    if memory is not None:
        counts = os.path.exists(f"{memory.mount}/memory.memsw.limit_in_bytes")
        host = msgspec.structs.replace(host, swap_accounting=counts)
    if cpuset is None:
        return host
    root = _cpuset(cpuset.mount)
    ready = _cpuset(f"{cpuset.mount}/{host.parent}") == root
    return msgspec.structs.replace(host, cpuset=root, cpuset_ready=ready)


def _cpuset(folder: str) -> tuple[str, str]:
    return read(f"{folder}/cpuset.cpus").strip(), read(f"{folder}/cpuset.mems").strip()


def _read_unified(host: HostCgroups) -> HostCgroups:
    own = own_group(read("/proc/self/cgroup"))
    host = msgspec.structs.replace(host, base=_delegated(host.unified, own))
    available = tuple(read(f"{host.root}/cgroup.controllers").split())
    passed = set(available)
    for folder in host.levels():
        passed &= set(read(f"{folder}/cgroup.subtree_control").split())
    probes = (f"{host.root}/{host.parent}", f"{host.unified}{own}", *_children(host.unified))
    return msgspec.structs.replace(
        host,
        available=available,
        enabled=frozenset(passed),
        swap_accounting="memory" in available and _has_swap_limit(probes),
        bpf=os.path.exists("/proc/sys/kernel/unprivileged_bpf_disabled")
        and read("/proc/self/uid_map").split() == _WHOLE_ID_MAP,
        weight_file=_weight_file(probes),
    )


def own_group(text: str) -> str:
    """The v2 group that /proc/self/cgroup names, "" for the root; of the leaf of callers, the one above."""
    own = next((line[3:] for line in text.splitlines() if line.startswith("0::")), "/")
    return own.removesuffix(f"/{CALLERS}").rstrip("/")


def _delegated(unified: str, own: str) -> str:
    """Our own group if systemd says that it was delegated to us, or if the root cannot be divided by us."""
    group = f"{unified}{own}"
    if not own:  # the root of a container that this runs in looks like a group below the root, which it is
        return unified if os.path.exists(f"{unified}/cgroup.type") else ""
    for attribute in _DELEGATED:
        try:
            if os.getxattr(group, attribute) == b"1":
                return group
        except OSError:
            continue
    return group if not os.access(unified, os.W_OK) and os.access(group, os.W_OK) else ""


def _has_swap_limit(folders: tuple[str, ...]) -> bool:
    """Whether groups with the memory controller have the file; before there is one, whether it swaps."""
    for folder in folders:
        if os.path.exists(f"{folder}/memory.max"):
            return os.path.exists(f"{folder}/memory.swap.max")
    return os.path.exists("/proc/swaps")


def _weight_file(folders: tuple[str, ...]) -> str:
    names = ("io.bfq.weight", "io.weight")
    return next((n for folder in folders for n in names if os.path.exists(f"{folder}/{n}")), "")


def _children(folder: str) -> list[str]:
    try:
        return [entry.path for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []


def _numbers(paths: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for path in paths:
        try:
            number = os.stat(path).st_rdev
        except FileNotFoundError as error:
            # Docker's command line exits with 127 for whatever is not there.
            raise CommandNotFound(f"stat {path}", reason="no such file or directory") from error
        except OSError as error:
            raise InvalidInput("", f"stat {path}: {(error.strerror or '').lower()}") from error
        found[path] = f"{os.major(number)}:{os.minor(number)}"
    return found


def read(path: str) -> str:
    """The text of a small file; empty if there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
