"""Owns the mount plan of a container: what is mounted where, masked and read-only; pure, no I/O.

Sources: moby oci/defaults.go and daemon/oci_linux.go. Order matters: parents before what lies in them, and
what the user mounts comes after, and in place of, the engine's own mount on the same target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.runtime.cgroups import visible_mounts
from engine.runtime.file_systems import bind_flags, is_bind, mount_options, tmpfs_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.records import MountPoint
    from engine.runtime.cgroups import HostCgroups

MASKED_PATHS = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_CGROUP = "/sys/fs/cgroup"
_SHM = "/dev/shm"  # noqa: S108 - in the container
_KERNEL = ("nosuid", "noexec", "nodev")
_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)


class Mount(msgspec.Struct, frozen=True):
    """One mount as bundle.json has it."""

    type: str
    source: str
    target: str
    flags: tuple[str, ...] = ()
    data: str = ""
    peer: tuple[int, int] | None = None
    """Pid and start time of the process in whose view of files a bind's ``source`` is; None: the host's."""
    subpath: str = ""
    """What is bound of ``source``: found below it, links followed inside it only."""


PRIVATE_SHM = Mount("tmpfs", "shm", _SHM, _KERNEL, f"mode=1777,size={64 << 20}")
"""Docker's, with its size."""


class MountPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about the container's view of files except its root."""

    mounts: tuple[Mount, ...]
    masked_paths: tuple[str, ...]
    readonly_paths: tuple[str, ...]


def mount_plan(  # noqa: PLR0913 - each is one of the container's options
    host: HostCgroups,
    container_id: str,
    points: Iterable[MountPoint],
    files: Mapping[str, str],
    *,
    privileged: bool = False,
    shm: Mount | None = PRIVATE_SHM,
    systempaths_unconfined: bool = False,
) -> MountPlan:
    """The plan for user mounts ``points`` and engine-made ``files`` (target to source on the host).

    ``shm`` is what is mounted on /dev/shm, see ``shared_memory``.
    """
    # A volume is filled from the image, with what nodes that has.
    nodev = not (host.guards_devices or privileged)
    made = (user_mount(point, nodev=nodev and point.type == "volume") for point in points)
    own = tuple(sorted(made, key=lambda mount: mount.target.count("/")))
    targets = {mount.target for mount in own}
    v1_tree = bool(host.hierarchies) and _CGROUP not in targets
    engine = (
        *_kernel_mounts(shm, privileged=privileged),
        *_cgroup_mounts(host, container_id, privileged=privileged),
    )
    binds = [Mount("bind", source, target, ("bind", "rprivate")) for target, source in files.items()]
    kept = tuple(mount for mount in (*engine, *binds) if not _replaced(mount.target, targets))
    # In a volume of the user's on /etc they are, too: without these files no name is known.
    within = tuple(mount for mount in binds if mount not in kept and mount.target not in targets)
    readonly = (_CGROUP,) if v1_tree and not privileged else ()
    open_paths = privileged or systempaths_unconfined
    return MountPlan(
        mounts=kept + own + within,
        masked_paths=() if open_paths else MASKED_PATHS,
        readonly_paths=(() if open_paths else READONLY_PATHS) + readonly,
    )


def user_mount(point: MountPoint, *, nodev: bool = False) -> Mount:
    """The mount of one MountPoint; ``nodev``: no node in it can be opened."""
    if point.type == "tmpfs":
        return _tmpfs(point)
    more = (*_read_only(point), *(("nodev",) if nodev else ()))
    propagation = point.propagation or "rprivate"
    if point.driver_options:
        return _volume_of_options(point, more)
    how = "bind" if point.recursive == "disabled" else "rbind"
    return Mount("bind", point.source, point.target, (how, propagation, *more), subpath=point.subpath)


def _tmpfs(point: MountPoint) -> Mount:
    given = [f"mode={point.tmpfs_mode:o}"]
    given += [f"size={point.tmpfs_size}"] if point.tmpfs_size else []
    given += ["ro"] if point.read_only else []
    flags, data = tmpfs_options(point.tmpfs_options, (*_KERNEL, *given))
    return Mount("tmpfs", "tmpfs", point.target, flags, data)


def _read_only(point: MountPoint) -> tuple[str, ...]:
    if not point.read_only:
        return ()
    return ("ro-top",) if point.recursive in {"writable", "disabled"} else ("ro",)


def _volume_of_options(point: MountPoint, more: tuple[str, ...]) -> Mount:
    """A volume whose driver was told of a folder of the host, or of a file system."""
    options = point.driver_options
    device = options["device"]
    if is_bind(options):
        flags = (*bind_flags(options), "rprivate", *more)
        return Mount("bind", device, point.target, flags, subpath=point.subpath)
    flags, data = mount_options(options)
    return Mount(options["type"], device, point.target, (*flags, *more), data)


def shared_memory(mode: str, peer: tuple[int, int] | None, size: int = 0) -> Mount | None:
    """What is on /dev/shm in the ``ipc`` mode ``mode``, of ``size`` bytes (0: 64 MiB) if it is its own.

    ``peer``: the process whose IPC is joined.
    """
    if mode == "none":
        return None
    if mode == "host" or peer:
        return Mount("bind", _SHM, _SHM, ("bind", "rprivate", *_KERNEL), peer=peer)
    if size:
        return Mount("tmpfs", "shm", _SHM, _KERNEL, f"mode=1777,size={size}")
    return PRIVATE_SHM


def device_nodes(host: Iterable[dict[str, object]] = ()) -> list[dict[str, object]]:
    """The bundle's device nodes: Docker's six, and for privileged containers the host's too."""
    nodes = [
        {"path": path, "type": "c", "major": major, "minor": minor, "mode": 0o666, "uid": 0, "gid": 0}
        for path, major, minor in _DEVICES
    ]
    taken = {node["path"] for node in nodes}
    return nodes + [node for node in host if node["path"] not in taken]


def _kernel_mounts(shm: Mount | None, *, privileged: bool) -> tuple[Mount, ...]:
    read_only = () if privileged else ("ro",)
    return (
        Mount("proc", "proc", "/proc", _KERNEL),
        Mount("tmpfs", "tmpfs", "/dev", ("nosuid", "strictatime"), "mode=755,size=65536k"),
        Mount(
            "devpts", "devpts", "/dev/pts", ("nosuid", "noexec"), "newinstance,ptmxmode=0666,mode=0620,gid=5"
        ),
        *((shm,) if shm else ()),
        Mount("mqueue", "mqueue", "/dev/mqueue", _KERNEL),
        Mount("sysfs", "sysfs", "/sys", (*_KERNEL, *read_only)),
    )


def _cgroup_mounts(host: HostCgroups, container_id: str, *, privileged: bool) -> tuple[Mount, ...]:
    """v2: the container's group itself; v1: a small tmpfs with one group a hierarchy."""
    read_only = () if privileged else ("ro",)
    seen = visible_mounts(host, container_id)
    groups = tuple(
        Mount(
            "bind",
            source,
            f"{_CGROUP}/{name}" if name else _CGROUP,
            ("bind", "rprivate", *_KERNEL, *read_only),
        )
        for source, name in seen
    )
    if host.pure or not groups:
        return groups
    # Made read-only at the end, as one of the read-only paths: the groups' mount points come first.
    return (Mount("tmpfs", "tmpfs", _CGROUP, _KERNEL, "mode=755,size=64k"), *groups)


def _replaced(target: str, targets: set[str]) -> bool:
    """Whether the user mounts there, or a whole /dev, /proc or /sys above it."""
    above = target.split("/")
    return any("/".join(above[:length]) in targets for length in range(2, len(above) + 1))
