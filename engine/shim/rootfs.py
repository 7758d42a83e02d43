"""Owns the container's root: overlay, mounts, devices, pivot, hidden paths; refuses to choose any of them.

Runs in the container's own mount namespace. Every target is resolved by openat2(2) inside the new root, and
every source was opened before any name of the image was looked at, so that no link of an image can lead
to the host. Order is the bundle's.
"""

from __future__ import annotations

import errno
import os
import stat

from engine.shim import linux, peers
from engine.shim.refusal import refuse

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
_IGNORED = frozenset({"bind", "rbind", "rw", "suid", "dev", "exec"})
_RESOLVE = linux.RESOLVE_IN_ROOT | linux.RESOLVE_NO_MAGICLINKS
_TRIES = 128
_OPTIONS_LIMIT = 4000  # mount(2) takes one page
_DEV_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)


def enter(bundle: dict, stage: Stage) -> None:  # type: ignore[type-arg]  # JSON
    """Make the root that ``bundle`` describes and pivot into it; the old root is gone afterwards."""
    mounts: list[dict] = list(bundle["mounts"])  # type: ignore[type-arg]
    if bundle["process"].get("init"):
        mounts.append(
            {"type": "bind", "source": bundle["init_path"], "target": "/sbin/docker-init", "flags": ["ro"]}
        )
    sources = [_open_source(mount, stage) for mount in mounts]
    stage("making the mount namespace private")
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_SLAVE)
    root_path = mount_overlay(bundle["rootfs"], stage)
    root = os.open(root_path, os.O_PATH | os.O_DIRECTORY)
    for mount, source in zip(mounts, sources, strict=True):
        stage(f"mounting {mount['type']}", mount["target"])
        _mount(root, mount, source)
    _make_devices(root, bundle["devices"], stage)
    stage("changing the root")
    os.fchdir(root)
    linux.pivot_root(".", ".")
    linux.umount2(".", linux.MNT_DETACH)
    os.chdir("/")
    os.close(root)


def seal(bundle: dict, stage: Stage) -> None:  # type: ignore[type-arg]  # JSON
    """Set the kernel's parameters, hide what must not be seen, protect what must not be written."""
    for name, value in bundle.get("sysctls", {}).items():
        stage(f"setting sysctl {name}")
        with open(f"/proc/sys/{name.replace('.', '/')}", "w", encoding="utf-8") as parameter:
            parameter.write(str(value))
    empty = ""
    for path in bundle["masked_paths"]:
        stage("masking", path)
        empty = _mask(path, empty)
    for path in bundle["readonly_paths"]:
        stage("protecting", path)
        _make_read_only(path)
    if bundle["rootfs"].get("read_only"):
        stage("making the root read-only")
        nodev = linux.MS_NODEV if bundle["rootfs"].get("nodev") else 0
        linux.mount(None, "/", None, linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | nodev)


def bind_console(slave_path: str) -> None:
    """Put the terminal at ``slave_path`` on /dev/console."""
    with open("/dev/console", "a", encoding="utf-8"):
        pass
    linux.mount(slave_path, "/dev/console", None, linux.MS_BIND)


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


def _open_source(mount: dict, stage: Stage) -> int:  # type: ignore[type-arg]
    """A detached clone of a bind's source, made while its propagation group is still the host's; else -1."""
    if mount["type"] != "bind":
        return -1
    stage("opening the source of a bind mount", mount["source"])
    if mount.get("peer"):
        return peers.clone_tree(mount["source"], *mount["peer"])
    recursive = linux.AT_RECURSIVE if "rbind" in mount["flags"] else 0
    return linux.open_tree(linux.AT_FDCWD, mount["source"], linux.OPEN_TREE_CLONE | recursive)


def _overlay_options(lowers: list[str], upper: str, work: str) -> str:
    layers = f"lowerdir={':'.join(lowers)},upperdir={upper},workdir={work}"
    return f"{layers},index=off,metacopy=off,redirect_dir=off"


def _mount(root: int, mount: dict, source: int) -> None:  # type: ignore[type-arg]
    is_directory = source < 0 or stat.S_ISDIR(os.fstat(source).st_mode)
    target = resolve_target(root, mount["target"], directory=is_directory)
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
    linux.mount_setattr(source, propagation=propagation or linux.MS_PRIVATE, recursive=recursive)
    linux.move_mount(source, target)
    os.close(source)
    os.close(target)


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


def resolve_target(root: int, path: str, *, directory: bool) -> int:
    """An O_PATH descriptor of ``path`` inside ``root``; it is made, parents too, where it is missing."""
    path = os.path.normpath(path).lstrip("/") or "."
    try:
        return _resolve(root, path)
    except FileNotFoundError:
        parent = resolve_target(root, os.path.dirname(path) or ".", directory=True)
    name = os.path.basename(path)
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(
                os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=parent)
            )
    except FileExistsError:
        if target := _link_target(root, parent, name):  # made inside the root, as Docker does
            os.close(resolve_target(root, target, directory=directory))
    finally:
        os.close(parent)
    return _resolve(root, path)


def _link_target(root: int, parent: int, name: str) -> str:
    """Where the link ``name`` in ``parent`` leads, seen from ``root``; "" if somebody has made a file there.

    The kernel has refused loops before.
    """
    try:
        target = os.readlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return ""
    if target.startswith("/"):
        return target
    top, folder = (os.readlink(f"/proc/self/fd/{fd}") for fd in (root, parent))
    return f"{folder.removeprefix(top)}/{target}"


def _resolve(root: int, path: str) -> int:
    """As openat2(2), which gives up on ".." when anybody renames or mounts anything meanwhile."""
    for _ in range(_TRIES):
        try:
            return linux.openat2(root, path, os.O_PATH, _RESOLVE)
        except BlockingIOError:
            continue
    return linux.openat2(root, path, os.O_PATH, _RESOLVE)


def _make_devices(root: int, devices: list[dict], stage: Stage) -> None:  # type: ignore[type-arg]
    if not devices:
        return
    umask = os.umask(0)
    for device in devices:
        stage("making a device", device["path"])
        parent = resolve_target(root, os.path.dirname(device["path"]), directory=True)
        _make_device(root, parent, device)
        os.close(parent)
    os.umask(umask)
    stage("making the links in /dev")
    dev = resolve_target(root, "/dev", directory=True)
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
        source = linux.open_tree(linux.AT_FDCWD, device["path"], linux.OPEN_TREE_CLONE)
        target = resolve_target(root, device["path"], directory=False)
        linux.move_mount(source, target)
        os.close(source)
        os.close(target)


def _mask(path: str, empty: str) -> str:
    """Hide ``path``; ``empty`` is a directory hidden before, whose mount serves again. Returns the like."""
    try:
        is_directory = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return empty
    if not is_directory:
        linux.mount("/dev/null", path, None, linux.MS_BIND)
        return empty
    if empty:
        linux.mount(empty, path, None, linux.MS_BIND)
        return empty
    linux.mount("tmpfs", path, "tmpfs", linux.MS_RDONLY, "size=0k")
    return path


def _make_read_only(path: str) -> None:
    try:
        tree = linux.open_tree(linux.AT_FDCWD, path, linux.OPEN_TREE_CLONE | linux.AT_RECURSIVE)
    except FileNotFoundError:
        return
    linux.mount_setattr(tree, attr_set=linux.MOUNT_ATTR_RDONLY, recursive=True)
    target = os.open(path, os.O_PATH)
    linux.move_mount(tree, target)
    os.close(target)
    os.close(tree)
