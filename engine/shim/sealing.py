"""Owns the last work on a container's root: kernel parameters set, paths of the kernel hidden or protected.

Every path is walked from the root without following any link, mounts are moved onto descriptors, what hides
a file is the host's own null device, and a parameter is written only if it is one: an image or a volume that
puts something of its own in one of these places is refused, not obeyed (CVE-2025-31133, CVE-2025-52881).
"""

from __future__ import annotations

import errno
import os
import stat

from engine.shim import beneath, linux
from engine.shim.refusal import refuse

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from engine.shim.refusal import Stage

PROC_SUPER_MAGIC = 0x9FA0
NULL = os.makedev(1, 3)
"""The number of the null device."""
_COVER_FLAGS = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


def clone_null() -> int:
    """A detached, read-only clone of the host's /dev/null, made while the host's root is still there."""
    clone = linux.open_tree(linux.AT_FDCWD, os.devnull, linux.OPEN_TREE_CLONE)
    status = os.fstat(clone)
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != NULL:
        raise refuse("hiding the kernel's files", "the host's /dev/null is no null device", path=os.devnull)
    # Read-only: its mode and owner are the host's, not the container's to change; data still goes in.
    private = linux.MS_PRIVATE
    linux.mount_setattr(clone, attr_set=linux.MOUNT_ATTR_RDONLY, propagation=private, recursive=False)
    return clone


def seal(bundle: dict, null: int, stage: Stage) -> None:  # type: ignore[type-arg]  # JSON
    """Set the kernel's parameters, hide what must not be seen, protect what must not be written.

    ``null`` is of ``clone_null`` and is closed.
    """
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for name, value in bundle.get("sysctls", {}).items():
        stage(f"setting sysctl {name}")
        _set_parameter(root, f"/proc/sys/{name.replace('.', '/')}", str(value))
    covers = _Covers(root, null)
    for path in bundle["masked_paths"]:
        stage("masking", path)
        covers.hide(path)
    covers.close()
    for path in bundle["readonly_paths"]:
        stage("protecting", path)
        _make_read_only(root, path)
    os.close(root)
    if bundle["rootfs"].get("read_only"):
        stage("making the root read-only")
        nodev = linux.MS_NODEV if bundle["rootfs"].get("nodev") else 0
        linux.mount(None, "/", None, linux.MS_REMOUNT | linux.MS_BIND | linux.MS_RDONLY | nodev)


def open_kernel_file(root: int, path: str, flags: int) -> int:
    """Open a file of procfs below ``root``; OSError (ELOOP, EXDEV) if something else is in its place."""
    found = beneath.resolve(root, path, flags, links=False)
    if linux.file_system(found) != PROC_SUPER_MAGIC:
        os.close(found)
        raise OSError(errno.EXDEV, "not a file of the kernel's", path)
    return found


def _set_parameter(root: int, path: str, value: str) -> None:
    parameter = open_kernel_file(root, path, os.O_WRONLY)
    try:
        os.write(parameter, value.encode())
    finally:
        os.close(parameter)


class _Covers:
    """What lies over hidden paths: the null device and an empty folder, each of them mounted many times."""

    def __init__(self, root: int, null: int) -> None:
        self._root = root
        self._null = null
        self._null_is_mounted = False
        self._empty = -1

    def hide(self, path: str) -> None:
        """Cover ``path``, unless this kernel has none."""
        try:
            target = beneath.resolve(self._root, path, links=False)
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISDIR(os.fstat(target).st_mode):
            self._hide_folder(path, target)
        else:
            self._hide_file(target)
        os.close(target)

    def close(self) -> None:
        """Let go of the descriptors; the mounts stay."""
        for fd in (self._null, self._empty):
            if fd >= 0:
                os.close(fd)

    def _hide_file(self, target: int) -> None:
        if not self._null_is_mounted:
            linux.move_mount(self._null, target)
            self._null_is_mounted = True
        else:
            _mount_again(self._null, target)

    def _hide_folder(self, path: str, target: int) -> None:
        if self._empty < 0:
            linux.mount("tmpfs", f"/proc/self/fd/{target}", "tmpfs", _COVER_FLAGS, "size=0k")
            self._empty = beneath.resolve(self._root, path, links=False)
        else:
            _mount_again(self._empty, target)


def _mount_again(mounted: int, target: int) -> None:
    clone = linux.open_tree(mounted, "", linux.OPEN_TREE_CLONE | linux.AT_EMPTY_PATH)
    linux.move_mount(clone, target)
    os.close(clone)


def _make_read_only(root: int, path: str) -> None:
    try:
        target = beneath.resolve(root, path, links=False)
    except FileNotFoundError:
        return
    flags = linux.OPEN_TREE_CLONE | linux.AT_RECURSIVE | linux.AT_EMPTY_PATH
    tree = linux.open_tree(target, "", flags)
    linux.mount_setattr(tree, attr_set=linux.MOUNT_ATTR_RDONLY, recursive=True)
    linux.move_mount(tree, target)
    os.close(target)
    os.close(tree)
