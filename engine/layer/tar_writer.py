"""Owns writing files of a tree as tar entries, the same bytes for the same files; refuses to choose which.

USTAR where a field suffices, PAX records where it does not. Owners are numbers, times whole seconds (as
Docker writes them), files are dense: a layer's digest must not depend on how a disk stores it.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from engine.layer.tar_pax import pax_record
from engine.layer.tree import xattrs_of
from engine.layer.whiteout import OPAQUE, PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCK = 512
_CHUNK = 1 << 20
_LARGEST_ID = 0o7777777
_LARGEST_NUMBER = 0o77777777777
_TYPES = {
    stat.S_IFREG: b"0",
    stat.S_IFLNK: b"2",
    stat.S_IFCHR: b"3",
    stat.S_IFBLK: b"4",
    stat.S_IFDIR: b"5",
    stat.S_IFIFO: b"6",
}


class TreeTarWriter:
    """One tar stream on ``out``; counts entries and bytes of content."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._buffer = memoryview(bytearray(_CHUNK))
        self._seen: dict[tuple[int, int], bytes] = {}
        self.size = 0
        self.count = 0

    def add(self, folder: int, name: bytes, path: bytes, status: os.stat_result) -> None:
        """Add ``name`` of the open directory as ``path``; sockets are left out, as Docker does.

        FileNotFoundError, and nothing is written, if a running container has removed it meanwhile.
        """
        kind = stat.S_IFMT(status.st_mode)
        if kind not in _TYPES:
            return
        try:
            self._add(kind, folder, name, path, status)
        except FileNotFoundError:
            if self._seen.get((status.st_dev, status.st_ino)) == path:
                del self._seen[status.st_dev, status.st_ino]  # another name of it is no link to this one
            raise
        self.count += 1

    def add_whiteout(self, parent: bytes, name: bytes) -> None:
        """Say that ``name`` in the directory with the path ``parent`` was deleted."""
        self.count += 1
        self._out.write(_mark(_join(parent, PREFIX + name)))

    def add_opaque(self, parent: bytes) -> None:
        """Say that nothing of lower layers is in the directory with the path ``parent``."""
        self._out.write(_mark(_join(parent, OPAQUE)))

    def finish(self) -> None:
        """Write the end marks."""
        self._out.write(bytes(2 * _BLOCK))

    def _add(self, kind: int, folder: int, name: bytes, path: bytes, status: os.stat_result) -> None:
        if kind == stat.S_IFREG:
            self._add_file(folder, name, path, status)
            return
        if kind != stat.S_IFDIR and self._add_link(path, status):
            return
        link = os.readlink(name, dir_fd=folder) if kind == stat.S_IFLNK else b""
        xattrs = xattrs_of(b"/proc/self/fd/%d/%s" % (folder, name))
        if kind == stat.S_IFDIR:
            path += b"/"
        self._out.write(entry(path, _TYPES[kind], status, link=link, xattrs=xattrs))

    def _add_link(self, path: bytes, status: os.stat_result) -> bool:
        """Write a hard link if the file was written before under another name."""
        if status.st_nlink == 1:
            return False
        first = self._seen.setdefault((status.st_dev, status.st_ino), path)
        if first == path:
            return False
        self._out.write(entry(path, b"1", status, link=first))
        return True

    def _add_file(self, folder: int, name: bytes, path: bytes, status: os.stat_result) -> None:
        if self._add_link(path, status):
            return
        descriptor = open_file(folder, name)
        try:
            size = os.fstat(descriptor).st_size
            self._write_file(descriptor, size, path, status)
        finally:
            os.close(descriptor)
        self.size += size

    def _write_file(self, descriptor: int, size: int, path: bytes, status: os.stat_result) -> None:
        self._out.write(entry(path, b"0", status, size=size, xattrs=xattrs_of(descriptor)))
        self._copy(descriptor, size)

    def _copy(self, descriptor: int, size: int) -> None:
        self._copy_bytes(descriptor, size)
        self._out.write(bytes(-size % _BLOCK))

    def _copy_bytes(self, descriptor: int, size: int) -> None:
        left = size
        while left:
            count = os.readv(descriptor, [self._buffer[: min(left, _CHUNK)]])
            if not count:
                break
            self._out.write(self._buffer[:count])
            left -= count
        # A file that a running container cut meanwhile still fills the size that its header gave.
        while left:
            piece = min(left, _CHUNK)
            self._out.write(bytes(piece))
            left -= piece


def open_file(folder: int, name: bytes) -> int:
    """The regular file ``name``; FileNotFoundError if something else has taken its place meanwhile.

    It is looked at before it is opened: opening a device that a container put there might do something.
    """
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(found)


def _mark(path: bytes) -> bytes:
    return _header(path, b"0", 0o600, (0, 0), 0, 0, b"", (0, 0))


def entry(  # noqa: PLR0913 - the parts of an entry
    path: bytes,
    kind: bytes,
    status: os.stat_result,
    *,
    size: int = 0,
    link: bytes = b"",
    xattrs: dict[str, bytes] | None = None,
    more: Sequence[bytes] = (),
) -> bytes:
    """The headers of one entry; ``size`` of what follows them, ``more`` are PAX records of the caller's."""
    mtime = max(0, int(status.st_mtime_ns // 1_000_000_000))
    owner = (status.st_uid, status.st_gid)
    records = [pax_record(f"SCHILY.xattr.{key}", value) for key, value in (xattrs or {}).items()]
    records += more
    if not _fits(path):
        records.append(pax_record("path", path))
    if len(link) > 100:  # noqa: PLR2004 - the header's field
        records.append(pax_record("linkpath", link))
    numbers = (("size", size, _LARGEST_NUMBER), ("mtime", mtime, _LARGEST_NUMBER),
               ("uid", owner[0], _LARGEST_ID), ("gid", owner[1], _LARGEST_ID))  # fmt: skip
    records += [pax_record(key, b"%d" % value) for key, value, largest in numbers if value > largest]
    device = (os.major(status.st_rdev), os.minor(status.st_rdev)) if kind in {b"3", b"4"} else (0, 0)
    header = _header(path, kind, stat.S_IMODE(status.st_mode), owner, size, mtime, link, device)
    return _pax(path, records) + header if records else header


def _pax(path: bytes, records: Sequence[bytes]) -> bytes:
    content = b"".join(sorted(records))
    name = b"PaxHeaders.0/" + path.rstrip(b"/").rpartition(b"/")[2][:80]
    header = _header(name, b"x", 0o644, (0, 0), len(content), 0, b"", (0, 0))
    return header + content + bytes(-len(content) % _BLOCK)


def _header(  # noqa: PLR0913, PLR0917 - the fields of a header
    path: bytes,
    kind: bytes,
    mode: int,
    owner: tuple[int, int],
    size: int,
    mtime: int,
    link: bytes,
    device: tuple[int, int],
) -> bytes:
    prefix, name = _split(path) or (b"", path[:100])
    uid, gid = (number if number <= _LARGEST_ID else 0 for number in owner)
    size, mtime = (number if number <= _LARGEST_NUMBER else 0 for number in (size, mtime))
    block = b"".join(
        (
            name.ljust(100, b"\0"),
            b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, mtime),
            b" " * 8,
            kind,
            link[:100].ljust(100, b"\0"),
            b"ustar\00000",
            bytes(64),  # names of owners: numbers decide
            b"%07o\0%07o\0" % device,
            prefix.ljust(155, b"\0"),
            bytes(12),
        )
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _fits(path: bytes) -> bool:
    return _split(path) is not None


def _split(path: bytes) -> tuple[bytes, bytes] | None:
    """``path`` as (prefix, name) of a USTAR header, or None if it has no such form."""
    if len(path) <= 100:  # noqa: PLR2004 - the header's field
        return b"", path
    cut = path.rfind(b"/", 0, min(156, len(path) - 1))
    if cut < 1 or len(path) - cut - 1 > 100:  # noqa: PLR2004 - the header's field
        return None
    return path[:cut], path[cut + 1 :]


def _join(parent: bytes, name: bytes) -> bytes:
    return parent + b"/" + name if parent else name
