"""Owns a fresh container's folder: upper, work, and the init layer with the mount points the engine adds.

The init layer lies on top of the image's layers and is never committed. A directory in it shows its own
attributes instead of the image's, so it takes them over; a name that is a link in the image is left alone.
Refuses to look into the image beyond these few names.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_FOLDERS = ("dev", "etc", "proc", "sys")
_FILES = (".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf")
_LINKS = (("etc/mtab", "/proc/mounts"),)
_IGNORED_XATTRS = ("trusted.overlay.", "user.overlay.", "security.selinux")


def make_container_folder(folder: str, lower: Sequence[str]) -> None:
    """Make ``folder`` with upper, work and init on the image's trees ``lower`` (top first)."""
    umask = os.umask(0)
    try:
        os.mkdir(folder, 0o710)
        upper, work, init = f"{folder}/upper", f"{folder}/work", f"{folder}/init"
        for path in (upper, init):
            os.mkdir(path, 0o755)
            if lower:
                _take_over(lower[0], path)
        os.mkdir(work, 0o700)
        _fill(init, lower)
    finally:
        os.umask(umask)


def host_devices() -> list[dict[str, object]]:
    """Every device node directly in, and in the usual folders below, the host's /dev, for --privileged."""
    found: list[dict[str, object]] = []
    for folder, names, files in os.walk("/dev"):
        names[:] = [name for name in names if name not in {"pts", "shm", "mqueue", "fd", "hugepages"}]
        for name in files:
            path = f"{folder}/{name}"
            status = os.lstat(path)
            kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
            if kind and path not in {"/dev/console", "/dev/ptmx"}:
                found.append(
                    {
                        "path": path,
                        "type": kind,
                        "major": os.major(status.st_rdev),
                        "minor": os.minor(status.st_rdev),
                        "mode": stat.S_IMODE(status.st_mode),
                        "uid": status.st_uid,
                        "gid": status.st_gid,
                    }
                )
    return found


def _fill(init: str, lower: Sequence[str]) -> None:
    made = set()
    for name in _FOLDERS:
        image = _find(lower, name)
        if image is not None and not stat.S_ISDIR(os.lstat(image).st_mode):
            continue
        os.mkdir(f"{init}/{name}", 0o755)
        made.add(name)
    for name in _FILES:
        if "/" not in name or os.path.dirname(name) in made:
            os.close(os.open(f"{init}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
    for name, target in _LINKS:
        if os.path.dirname(name) in made:
            os.symlink(target, f"{init}/{name}")
    for name in made:  # after their entries, or these would change the time again
        image = _find(lower, name)
        if image is not None:
            _take_over(image, f"{init}/{name}")


def _find(lower: Sequence[str], name: str) -> str | None:
    """The topmost entry ``name`` of the layers; None if there is none, or a whiteout is first."""
    for layer in lower:
        path = f"{layer}/{name}"
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            continue
        return None if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0 else path
    return None


def _take_over(source: str, target: str) -> None:
    status = os.stat(source)
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        if not name.startswith(_IGNORED_XATTRS):
            os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
