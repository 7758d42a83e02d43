"""Owns copying a tree as it is: owners, modes, times, xattrs, hard links, holes; refuses to leave marks out.

Overlay's own marks (whiteouts, opaque) are copied too: the copy is a layer like its original.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from engine.layer.diff import walk
from engine.layer.tree import OPEN_FOLDER, open_below, set_xattrs, xattrs_of
from engine.layer.whiteout import mark_opaque

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 26
_PIECE = 1 << 20


def copy_tree(source: str, target: str) -> None:
    """Copy the directory ``source`` to the new directory ``target``; raises OSError."""
    os.mkdir(target, 0o700)
    root = os.open(source, OPEN_FOLDER)
    top = os.open(target, OPEN_FOLDER)
    first: dict[tuple[int, int], bytes] = {}
    folders: list[tuple[bytes, os.stat_result]] = [(b"", os.fstat(root))]
    try:
        set_xattrs(top, xattrs_of(root))
        for folder, name, path, status in walk(root):
            parts = path.split(b"/")
            if not name:
                with_folder = open_below(top, parts if path else [])
                mark_opaque(with_folder)
                os.close(with_folder)
                continue
            into = open_below(top, parts[:-1])
            try:
                if stat.S_ISDIR(status.st_mode):
                    folders.append((path, status))
                elif status.st_nlink > 1:
                    known = first.setdefault((status.st_dev, status.st_ino), path)
                    if known != path:
                        _link(top, known, into, name)
                        continue
                _copy_one(folder, into, name, status)
            finally:
                os.close(into)
        for path, status in reversed(folders):  # filling them changed their times
            _finish_folder(top, path, status)
    finally:
        os.close(root)
        os.close(top)


def _copy_one(source: int, target: int, name: bytes, status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFREG:
        _copy_file(source, target, name, status)
        return
    if kind == stat.S_IFDIR:
        os.mkdir(name, 0o700, dir_fd=target)
    elif kind == stat.S_IFLNK:
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    elif kind == stat.S_IFSOCK:
        return  # it means something to the process that listens on it, and nothing in a layer
    else:
        os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
    os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    if kind != stat.S_IFLNK:
        os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
    set_xattrs(b"/proc/self/fd/%d/%s" % (target, name), xattrs_of(b"/proc/self/fd/%d/%s" % (source, name)))
    times = (status.st_atime_ns, status.st_mtime_ns)
    os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)


def _copy_file(source: int, target: int, name: bytes, status: os.stat_result) -> None:
    reading = os.open(name, _READ, dir_fd=source)
    try:
        writing = os.open(name, _WRITE, 0o600, dir_fd=target)
        try:
            _copy_content(reading, writing, os.fstat(reading).st_size)
            os.fchown(writing, status.st_uid, status.st_gid)
            os.fchmod(writing, stat.S_IMODE(status.st_mode))
            set_xattrs(writing, xattrs_of(reading))
            os.utime(writing, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_content(reading: int, writing: int, size: int) -> None:
    """Copy the pieces that hold something; in the kernel, and shared where the file system can."""
    os.ftruncate(writing, size)
    at = 0
    while at < size:
        try:
            at = os.lseek(reading, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # nothing but a hole follows
            raise
        end = min(size, os.lseek(reading, at, os.SEEK_HOLE))
        while at < end:
            count = _copy_piece(reading, writing, min(end - at, _CHUNK), at)
            if not count:
                return  # cut by its container meanwhile
            at += count


def _copy_piece(reading: int, writing: int, count: int, at: int) -> int:
    """The bytes copied, 0 at the end of the file; through memory where the file systems differ."""
    try:
        return os.copy_file_range(reading, writing, count, at, at)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise
    return os.pwrite(writing, os.pread(reading, min(count, _PIECE), at), at)


def _link(top: int, known: bytes, into: int, name: bytes) -> None:
    *parts, last = known.split(b"/")
    folder = open_below(top, parts)
    try:
        os.link(last, name, src_dir_fd=folder, dst_dir_fd=into, follow_symlinks=False)
    finally:
        os.close(folder)


def _finish_folder(top: int, path: bytes, status: os.stat_result) -> None:
    folder = open_below(top, path.split(b"/") if path else [])
    try:
        os.fchown(folder, status.st_uid, status.st_gid)
        os.fchmod(folder, stat.S_IMODE(status.st_mode))
        os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))
    finally:
        os.close(folder)


def copy(arguments: dict[str, Any], fds: list[int]) -> None:  # noqa: ARG001 - a worker's signature
    """Worker: copy the tree ``source`` to the new directory ``target`` (a volume's first content …)."""
    copy_tree(arguments["source"], arguments["target"])
