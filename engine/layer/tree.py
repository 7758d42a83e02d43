"""Owns work on directory trees by descriptors: open, walk, copy attributes, remove; never follows a link.

Every step goes by one name relative to an open directory with O_NOFOLLOW, so a link that somebody put
into a tree can lead nowhere, and names need not fit PATH_MAX.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError, StoreFailure
from engine.layer.whiteout import OVERLAY_XATTRS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 200
_LONGEST_PATH = 4096
_TRIES = 50
_PAUSE = 0.02
_NO_XATTRS = {errno.ENOTSUP, errno.EPERM, errno.ENODATA}
_NOT_COPIED = (*OVERLAY_XATTRS, "security.selinux")


def raise_open_files() -> None:
    """Allow this process a descriptor for each level of a deep tree."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_below(root: int, names: Sequence[bytes]) -> int:
    """A descriptor of the directory ``names`` below the directory ``root``, no link followed."""
    here = os.open(".", OPEN_FOLDER, dir_fd=root)
    for name in names:
        try:
            below = os.open(name, OPEN_FOLDER, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


def joined(parent: bytes, name: bytes) -> bytes:
    """The path ``parent/name``; OSError (ENAMETOOLONG) where it is longer than any program could use it.

    A container can nest folders until their paths together fill the host's memory. Docker stops there too.
    """
    path = parent + b"/" + name if parent else name
    if len(path) > _LONGEST_PATH:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path[:100] + b"...")
    return path


def xattrs_of(path: int | bytes) -> dict[str, bytes]:
    """The extended attributes that a layer carries: all but the kernel's overlay marks and labels."""
    options: dict[str, Any] = {} if isinstance(path, int) else {"follow_symlinks": False}
    try:
        names = os.listxattr(path, **options)
        return {
            name: os.getxattr(path, name, **options)
            for name in sorted(names)
            if not name.startswith(_NOT_COPIED)
        }
    except OSError as error:
        if error.errno in _NO_XATTRS:
            return {}
        raise


def set_xattrs(path: int | bytes, xattrs: dict[str, bytes]) -> None:
    """Give ``path`` the attributes, but for the kernel's marks and those its file system cannot hold."""
    options: dict[str, Any] = {} if isinstance(path, int) else {"follow_symlinks": False}
    for name, value in xattrs.items():
        if name.startswith(_NOT_COPIED):
            continue
        try:
            os.setxattr(path, name, value, **options)
        except OSError as error:
            if error.errno not in _NO_XATTRS:
                raise


def copy_attributes(source: int, target: int) -> None:
    """Give the open directory ``target`` owner, mode, xattrs and mtime of ``source``."""
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    set_xattrs(target, xattrs_of(source))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def remove(arguments: dict[str, Any], fds: list[int]) -> int:  # noqa: ARG001 - a worker's signature
    """Worker: remove the trees (or files) ``paths``; returns the bytes of file content that were in them."""
    raise_open_files()
    freed = 0
    for path in arguments["paths"]:
        with storage_errors(path):
            parent = os.open(os.path.dirname(path), OPEN_FOLDER)
            try:
                freed += _remove_patiently(parent, os.fsencode(os.path.basename(path)))
            finally:
                os.close(parent)
    return freed


def _remove_patiently(parent: int, name: bytes) -> int:
    """As ``remove_entry``, while the workers of a killed owner, dying too, may still put things in."""
    freed = 0
    for again in range(_TRIES, -1, -1):
        try:
            return freed + remove_entry(parent, name)
        except FileNotFoundError:
            if not _exists(parent, name):
                return freed
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or not again:
                raise
        time.sleep(_PAUSE)
    return freed


def _exists(folder: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def remove_entry(parent: int, name: bytes) -> int:
    """Remove ``name`` in the directory and all below it; returns the bytes of content that were there.

    Deep trees are cut: what lies deeper than a bound is moved up beside ``name`` and removed in turn.
    """
    freed = 0
    pending = [name]
    while pending:
        freed += _remove_one(parent, pending.pop(), parent, pending)
    return freed


def _remove_one(folder: int, name: bytes, top: int, pending: list[bytes], depth: int = 0) -> int:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=folder)
        return status.st_size if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0
    if depth >= _DEEPEST:
        moved = b".deep-" + os.urandom(8).hex().encode()
        os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=top)
        pending.append(moved)
        return 0
    if ~status.st_mode & 0o700 and os.geteuid() != 0:
        os.chmod(name, 0o700, dir_fd=folder)
    below = os.open(name, OPEN_FOLDER, dir_fd=folder)
    try:
        freed = sum(
            _remove_one(below, os.fsencode(child), top, pending, depth + 1) for child in os.listdir(below)
        )
    finally:
        os.close(below)
    os.rmdir(name, dir_fd=folder)
    return freed


@contextmanager
def storage_errors(path: str) -> Iterator[None]:
    """Turn an OSError of the block into the StoreFailure that names ``path`` and the way out."""
    try:
        yield
    except EngineError:
        raise
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        remedy = (
            "free some space (tuidock image prune), or choose a larger --root"
            if full
            else "check the folder and its file system (ls -ld, df, dmesg)"
        )
        name = error.filename
        where = os.fsdecode(name) if isinstance(name, (str, bytes)) else ""
        reason = error.strerror or str(error)
        raise StoreFailure(path, f"{where}: {reason}" if where else reason, remedy=remedy) from error
