"""Owns the container's root: overlay, mounts, devices, pivot, hidden paths; refuses to choose any of them.

Runs in the container's own mount namespace. Every target is resolved by openat2(2) inside the new root, and
every source was opened before any name of the image was looked at, so that no link of an image can lead
to the host. Order is the bundle's.
"""

from __future__ import annotations

import errno
import os
import stat

from engine.shim import beneath, linux, peers, sealing, wire
from engine.shim.refusal import Refusal, refuse

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from engine.shim.refusal import Stage

_FLAGS = {
    "ro": linux.MS_RDONLY,
    "nosuid": linux.MS_NOSUID,
    "nodev": linux.MS_NODEV,
    "noexec": linux.MS_NOEXEC,
    "sync": linux.MS_SYNCHRONOUS,
    "dirsync": linux.MS_DIRSYNC,
    "noatime": linux.MS_NOATIME,
    "nodiratime": linux.MS_NODIRATIME,
    "relatime": linux.MS_RELATIME,
    "strictatime": linux.MS_STRICTATIME,
}
_ATTRIBUTES = {
    "ro": linux.MOUNT_ATTR_RDONLY,
    "nosuid": linux.MOUNT_ATTR_NOSUID,
    "nodev": linux.MOUNT_ATTR_NODEV,
    "noexec": linux.MOUNT_ATTR_NOEXEC,
}
_PROPAGATIONS = {
    "private": linux.MS_PRIVATE,
    "slave": linux.MS_SLAVE,
    "shared": linux.MS_SHARED,
    "unbindable": linux.MS_UNBINDABLE,
}
_IGNORED = frozenset({"bind", "rbind", "ro-top", "rw", "suid", "dev", "exec"})
_EMULATED = frozenset(
    f"/proc/{name}"
    for name in "cpuinfo diskstats meminfo stat swaps uptime loadavg slabinfo sys/kernel/ns_last_pid"
    " sys/crypto/fips_enabled".split()
)
_OPTIONS_LIMIT = 4000  # mount(2) takes one page
_DEV_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)


def mounts_of(bundle: dict) -> list[dict]:  # type: ignore[type-arg]  # JSON
    """All that is mounted, in order."""
    mounts: list[dict] = list(bundle["mounts"])  # type: ignore[type-arg]
    if bundle["process"].get("init"):
        mounts.append(
            {"type": "bind", "source": bundle["init_path"], "target": "/sbin/docker-init", "flags": ["ro"]}
        )
    return mounts


def count_prepared(bundle: dict) -> int:  # type: ignore[type-arg]
    """How many mounts of the host's ``enter`` takes ``prepared``: the binds, the devices, the root."""
    binds = [mount for mount in mounts_of(bundle) if mount["type"] == "bind"]
    return len(binds) + len(bundle["devices"]) + 1


def enter(bundle: dict, stage: Stage, prepared: list[int] | None = None) -> None:  # type: ignore[type-arg]
    """Make the root that ``bundle`` describes and pivot into it; the old root is gone afterwards.

    In a user namespace everything of the host's comes ``prepared``: see ``userns``.
    """
    mounts = mounts_of(bundle)
    handed = prepared or []
    sources = [
        handed.pop(0) if prepared and mount["type"] == "bind" else open_source(mount, stage)
        for mount in mounts
    ]
    stage("making the mount namespace private")
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_SLAVE)
    root = _attach(handed.pop()) if prepared else _open_root(mount_overlay(bundle["rootfs"], stage))
    for mount, source in zip(mounts, sources, strict=True):
        stage(f"mounting {mount['type']}", mount["target"])
        mount_into(root, mount, source)
    _make_devices(root, bundle["devices"], handed, stage)
    stage("changing the root")
    os.fchdir(root)
    linux.pivot_root(".", ".")
    linux.umount2(".", linux.MNT_DETACH)
    os.chdir("/")
    os.close(root)


def bind_console(slave: int) -> None:
    """Put the terminal ``slave`` on /dev/console; neither is looked up by a name that an image could give."""
    dev = _open_root("/dev")
    try:
        mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        os.close(os.open("console", mode, 0o600, dir_fd=dev))
    except FileExistsError:
        pass  # the user's own /dev
    source = linux.open_tree(slave, "", linux.OPEN_TREE_CLONE | linux.AT_EMPTY_PATH)
    target = beneath.resolve(dev, "console", links=False)
    linux.move_mount(source, target)
    for fd in (dev, source, target):
        os.close(fd)


def mount_overlay(rootfs: dict, stage: Stage) -> str:  # type: ignore[type-arg]
    """Mount the overlay over its own upper directory (only this namespace sees that); returns the path.

    Where the names are too long for one page, or hold the characters that the option list is made of,
    the directories are named through /proc/self/fd.
    """
    stage("mounting the root", rootfs["upper"])
    lowers, upper, work = list(rootfs["lower"]), rootfs["upper"], rootfs["work"]
    flags = linux.MS_NODEV if rootfs.get("nodev") else 0
    options = _overlay_options(lowers, upper, work)
    held: list[int] = []
    if len(os.fsencode(options)) > _OPTIONS_LIMIT or any(
        c in p for p in (*lowers, upper, work) for c in ":,\\"
    ):
        held = [os.open(path, os.O_PATH | os.O_DIRECTORY) for path in (*lowers, upper, work)]
        named = [f"/proc/self/fd/{fd}" for fd in held]
        options = _overlay_options(named[:-2], named[-2], named[-1])
    try:
        volatile = ",volatile" if rootfs.get("volatile") else ""
        linux.mount("overlay", upper, "overlay", flags, options + volatile)
    except OSError as error:
        if error.errno != errno.EINVAL or not rootfs.get("volatile"):
            raise
        linux.mount("overlay", upper, "overlay", flags, options)  # before Linux 5.10
    finally:
        for fd in held:
            os.close(fd)
    return str(upper)


def open_source(mount: dict, stage: Stage) -> int:  # type: ignore[type-arg]
    """A detached clone of a bind's source, made while its propagation group is still the host's; else -1."""
    if mount["type"] != "bind":
        return -1
    stage("opening the source of a bind mount", mount["source"])
    if mount.get("peer"):
        return peers.clone_tree(mount["source"], *mount["peer"])
    clone = linux.OPEN_TREE_CLONE | (linux.AT_RECURSIVE if "rbind" in mount["flags"] else 0)
    if not mount.get("subpath"):
        return linux.open_tree(linux.AT_FDCWD, mount["source"], clone)
    volume = _open_root(mount["source"])
    try:
        found = beneath.resolve(volume, mount["subpath"])
    except FileNotFoundError as error:
        path = f"{mount['source']}/{mount['subpath']}"
        raise Refusal(
            wire.failure(
                "CommandNotFound", stage=f"cannot access path {path}", reason="no such file or directory"
            )
        ) from error
    finally:
        os.close(volume)
    try:
        return linux.open_tree(found, "", clone | linux.AT_EMPTY_PATH)
    finally:
        os.close(found)


def _overlay_options(lowers: list[str], upper: str, work: str) -> str:
    layers = f"lowerdir={':'.join(lowers)},upperdir={upper},workdir={work}"
    return f"{layers},index=off,metacopy=off,redirect_dir=off"


def mount_into(root: int, mount: dict, source: int) -> None:  # type: ignore[type-arg]
    """Make ``mount`` on its target inside ``root``; ``source`` is a detached clone (closed here), or -1."""
    is_directory = source < 0 or stat.S_ISDIR(os.fstat(source).st_mode)
    _refuse_inside_proc(mount, os.path.normpath(mount["target"]))
    target = beneath.make(root, mount["target"], directory=is_directory)
    _guard_kernel_files(mount, source, beneath.name_of(root, target))
    flags, attributes, propagation, recursive = _flags(mount)
    if source < 0:
        path = f"/proc/self/fd/{target}"
        linux.mount(mount["source"] or mount["type"], path, mount["type"], flags, mount.get("data") or None)
        os.close(target)
        return
    if stat.S_ISDIR(os.fstat(target).st_mode) != is_directory:
        raise refuse(
            "mounting bind",
            f"{mount['source']} is a {'directory' if is_directory else 'file'}, and the target is not",
            path=mount["target"],
            remedy="Are you trying to mount a directory onto a file (or vice-versa)?",
        )
    if attributes:
        linux.mount_setattr(source, attr_set=attributes, recursive="rbind" in mount["flags"])
    if "ro-top" in mount["flags"]:
        linux.mount_setattr(source, attr_set=linux.MOUNT_ATTR_RDONLY, recursive=False)
    linux.mount_setattr(source, propagation=propagation or linux.MS_PRIVATE, recursive=recursive)
    linux.move_mount(source, target)
    os.close(source)
    os.close(target)


def _guard_kernel_files(mount: dict, source: int, found: str) -> None:  # type: ignore[type-arg]
    """Refuse a mount whose target is, all links followed, where the engine trusts the kernel's own files.

    The rules are runc's: nothing in /proc but what lxcfs emulates, and on /proc only another procfs.
    """
    if mount["type"] in ("proc", "sysfs") and found != os.path.normpath(mount["target"]):
        raise refuse(
            "mounting", f'filesystem "{mount["type"]}" must be mounted on ordinary directory', path=found
        )
    is_proc = mount["type"] == "proc" or (
        source >= 0 and linux.file_system(source) == sealing.PROC_SUPER_MAGIC
    )
    if found == "/proc" and not is_proc:
        reason = f'"{mount["target"]}" cannot be mounted because it is not of type proc'
        raise refuse(f"mounting {mount['type']}", reason)
    _refuse_inside_proc(mount, found)


def _refuse_inside_proc(mount: dict, path: str) -> None:  # type: ignore[type-arg]
    if path.startswith("/proc/") and path not in _EMULATED:
        reason = f'"{mount["target"]}" cannot be mounted because it is inside /proc'
        raise refuse(f"mounting {mount['type']}", reason)


def _flags(mount: dict) -> tuple[int, int, int, bool]:  # type: ignore[type-arg]
    """mount(2) flags, mount_setattr(2) attributes, propagation, and whether the last is recursive."""
    flags = attributes = propagation = 0
    recursive = True
    for name in mount["flags"]:
        if name in _FLAGS:
            flags |= _FLAGS[name]
            attributes |= _ATTRIBUTES.get(name, 0)
        elif name.removeprefix("r") in _PROPAGATIONS:
            propagation = _PROPAGATIONS[name.removeprefix("r")]
            recursive = name.startswith("r")
        elif name not in _IGNORED:
            raise refuse("mounting", f"unknown mount flag {name}", path=mount["target"])
    return flags, attributes, propagation, recursive


def _open_root(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _attach(tree: int) -> int:
    """Put the root that was handed in where any user may reach it; only we see it there, and not for long."""
    target = _open_root("/dev")
    linux.move_mount(tree, target)
    os.close(target)
    os.close(tree)
    return _open_root("/dev")


def _make_devices(root: int, devices: list[dict], handed: list[int], stage: Stage) -> None:  # type: ignore[type-arg]
    if not devices:
        return
    umask = os.umask(0)
    for device in devices:
        stage("making a device", device["path"])
        parent = beneath.make(root, os.path.dirname(device["path"]), directory=True)
        if handed:
            _bind_device(root, device, handed.pop(0))
        else:
            _make_device(root, parent, device)
        os.close(parent)
    os.umask(umask)
    stage("making the links in /dev")
    dev = beneath.make(root, "/dev", directory=True)
    for name, target in _DEV_LINKS:
        try:
            os.symlink(target, name, dir_fd=dev)
        except FileExistsError:
            pass  # the image's own /dev, or a mount of the user's
    os.close(dev)


def _make_device(root: int, parent: int, device: dict) -> None:  # type: ignore[type-arg]
    name = os.path.basename(device["path"])
    kind = stat.S_IFBLK if device.get("type") == "b" else stat.S_IFCHR
    number = os.makedev(device["major"], device["minor"])
    try:
        os.mknod(name, kind | device["mode"], number, dir_fd=parent)
        if device.get("uid") or device.get("gid"):
            os.chown(name, device["uid"], device["gid"], dir_fd=parent, follow_symlinks=False)
    except FileExistsError:
        pass  # bound there by the user
    except PermissionError:  # in a user namespace: the host's own node is bound instead
        _bind_device(root, device, linux.open_tree(linux.AT_FDCWD, device["path"], linux.OPEN_TREE_CLONE))


def _bind_device(root: int, device: dict, source: int) -> None:  # type: ignore[type-arg]
    target = beneath.make(root, device["path"], directory=False)
    linux.move_mount(source, target)
    os.close(source)
    os.close(target)
