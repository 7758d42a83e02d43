"""Owns a container's log as it is written: raw bytes, one record a chunk, and rotation; refuses lines.

``log`` and ``log.idx`` belong together, and so do ``log.1`` and ``log.idx.1``, which are older, and so on.
Rotation moves the index first, then the bytes; ``paired`` knows what belongs together at any instant of it.
A log does not take the last of a disk: without room the engine could not even end the container.
"""

from __future__ import annotations

import os
from time import time_ns

from engine.shim import wire

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Iterator

_RECORD = wire.LOG_RECORD
_BATCH = 64
_LEAST = 1024
"""A smaller bound would rotate more than write."""
_ROOM, _ROOM_SHARE = 1 << 20, 20
"""Bytes that a log leaves free, or that part of a smaller file system."""
_UNSEEN = 128 << 10
"""So many bytes are written at most until it is asked again how many are free."""
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


def rotated(path: str, number: int) -> str:
    """The name of ``path`` after ``number`` rotations."""
    return f"{path}.{number}" if number else path


def numbers(path: str) -> set[int]:
    """How often the files were rotated that go by the name of ``path`` now."""
    folder, _, name = path.rpartition("/")
    found = set()
    for entry in os.listdir(folder or "."):
        start, dot, end = entry.partition(f"{name}.")
        if entry == name:
            found.add(0)
        elif dot and not start and end.isascii() and end.isdecimal() and end[0] != "0":
            found.add(int(end))
    return found


def paired(contents: set[int], indexes: set[int]) -> list[tuple[int, int]]:
    """The numbers of bytes and index that belong together, oldest first, also amid a rotation."""
    found = []
    for number in sorted(indexes, reverse=True):
        if number in contents:
            found.append((number, number))
        elif number - 1 in contents and number - 1 not in indexes:
            found.append((number - 1, number))
    return found


class _Files:
    """One pair of open files; ``first`` is the number of its first record."""

    __slots__ = ("content", "count", "first", "index", "offset")

    def __init__(self, content: str, index: str, first: int) -> None:
        self.first = first
        self.content = os.open(content, _FLAGS, 0o640)
        try:
            self.index = os.open(index, _FLAGS, 0o640)
        except OSError:
            os.close(self.content)
            raise
        # What a crash left half written at the end is overwritten.
        self.count = os.fstat(self.index).st_size // _RECORD.size
        self.offset = 0
        if self.count:
            _, offset, length, _ = _RECORD.unpack(
                os.pread(self.index, _RECORD.size, (self.count - 1) * _RECORD.size)
            )
            self.offset = offset + length

    @property
    def size(self) -> int:
        return self.offset + self.count * _RECORD.size

    def append(self, stream: int, content: memoryview) -> None:
        """Write one chunk, or raise OSError and have written nothing that counts."""
        offset, view = self.offset, content
        while view:
            written = os.pwrite(self.content, view, offset)
            offset += written
            view = view[written:]
        record = _RECORD.pack(time_ns(), self.offset, len(content), stream)
        if os.pwrite(self.index, record, self.count * _RECORD.size) != _RECORD.size:
            raise OSError
        self.offset = offset
        self.count += 1

    def close(self) -> None:
        os.close(self.content)
        os.close(self.index)


class ContainerLog:
    """One container's output; ``count`` is the number of the next record, over all files that are open.

    ``max_size`` bounds a pair of files together, in bytes (0: no bound); ``max_files`` is the number of
    pairs, the one that is written to included. Rotated files stay open as long as they have a name.
    """

    waits_for = ""
    __slots__ = ("_files", "_index_path", "_max_files", "_max_size", "_path", "_unseen")

    def __init__(self, path: str, index_path: str, max_size: int = 0, max_files: int = 1) -> None:
        self._path, self._index_path = path, index_path
        self._max_size, self._max_files = max_size and max(max_size, _LEAST), max(max_files, 1)
        self._unseen = 0
        self._files: list[_Files] = []
        settle(path, index_path)
        for number, _ in paired(numbers(path), numbers(index_path)):
            if number:
                self._open(number)
        self._open(0)

    @property
    def count(self) -> int:
        """The number of the next record."""
        return self._files[-1].first + self._files[-1].count

    @property
    def begin(self) -> int:
        """The number of the oldest record that is still there."""
        return self._files[0].first

    def append(self, stream: int, content: bytes) -> bool:
        """Write one chunk; False if the disk is full (or worse): the container must not stop for that."""
        try:
            if not self._has_room(len(content)):
                return False
            for piece in self._pieces(content):
                self._files[-1].append(stream, piece)
        except OSError:
            return False
        return True

    def read(self, number: int, limit: int) -> tuple[int, list[tuple[int, bytes]]]:
        """From record ``number`` on about ``limit`` bytes of (stream, content); also the next number.

        Where that record is gone it begins with the oldest that is there.
        """
        chunks: list[tuple[int, bytes]] = []
        number, taken = max(number, self.begin), 0
        for files in self._files:
            while number < files.first + files.count and taken < limit and len(chunks) < _BATCH:
                raw = os.pread(files.index, _RECORD.size, (number - files.first) * _RECORD.size)
                _, offset, length, stream = _RECORD.unpack(raw)
                chunks.append((stream, os.pread(files.content, length, offset)))
                taken += length
                number += 1
        return number, chunks

    def last(self, size: int) -> int:
        """The number of a record from which on at least ``size`` bytes lie, or all."""
        for files in reversed(self._files):
            if size <= files.offset:
                low, high, wanted = 0, files.count, files.offset - size
                while low < high:
                    middle = (low + high) // 2
                    raw = os.pread(files.index, _RECORD.size, middle * _RECORD.size)
                    if _RECORD.unpack(raw)[1] <= wanted:
                        low = middle + 1
                    else:
                        high = middle
                return files.first + max(low - 1, 0)
            size -= files.offset
        return self.begin

    def close(self) -> None:
        """Give the descriptors back."""
        while self._files:
            self._files.pop().close()

    def _has_room(self, size: int) -> bool:
        """Whether ``size`` bytes more leave the disk what others need."""
        self._unseen -= size
        if self._unseen < 0:
            status = os.fstatvfs(self._files[-1].content)
            left = min(_ROOM, status.f_blocks * status.f_frsize // _ROOM_SHARE)
            spare = status.f_bavail * status.f_frsize - left - size
            self._unseen = min(_UNSEEN, spare) if status.f_blocks else _UNSEEN  # not all file systems count
        return self._unseen >= 0

    def _pieces(self, content: bytes) -> Iterator[memoryview]:
        """``content`` in pieces that fit, cut where lines end if it can be, with the rotations in between."""
        view, start = memoryview(content), 0
        while start < len(view):
            rest = len(view) - start
            current = self._files[-1]
            room = self._max_size - current.size - _RECORD.size if self._max_size else rest
            if rest > room:
                end = content.rfind(b"\n", start, start + max(room, 0)) + 1
                if end:
                    rest = end - start
                elif current.count:
                    self._rotate()
                    continue
                else:
                    rest = room
            yield view[start : start + rest]
            start += rest

    def _rotate(self) -> None:
        settle(self._path, self._index_path)
        _shift(self._path, self._index_path, self._max_files)
        self._open(0)
        while len(self._files) > self._max_files:
            self._files.pop(0).close()

    def _open(self, number: int) -> None:
        first = self.count if self._files else 0
        self._files.append(_Files(rotated(self._path, number), rotated(self._index_path, number), first))


def settle(path: str, index_path: str) -> None:
    """Finish the rotation, or the start, that a crash has interrupted."""
    contents, indexes = numbers(path), numbers(index_path)
    pairs = paired(contents, indexes)
    for content, index in pairs:
        if content != index:
            os.rename(rotated(path, content), rotated(path, index))
    for number in indexes - {index for _, index in pairs}:
        os.unlink(rotated(index_path, number))
    for number in contents - {content for content, _ in pairs} - {0}:
        os.unlink(rotated(path, number))


def _shift(path: str, index_path: str, max_files: int) -> None:
    """Give every pair the next number, as far as there is none that is missing; the oldest goes."""
    found = numbers(index_path)
    for number in sorted(found):
        if number >= max_files - 1:
            os.unlink(rotated(index_path, number))
            os.unlink(rotated(path, number))
    kept = {number for number in found if number < max_files - 1}
    hole = 0
    while hole in kept:
        hole += 1
    for number in range(hole - 1, -1, -1):
        os.rename(rotated(index_path, number), rotated(index_path, number + 1))
        os.rename(rotated(path, number), rotated(path, number + 1))
