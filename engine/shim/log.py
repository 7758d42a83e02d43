"""Owns a container's log as it is written: raw bytes, and one record a chunk; refuses lines and formats."""

from __future__ import annotations

import os
from time import time_ns

from engine.shim import wire

_RECORD = wire.LOG_RECORD
_BATCH = 64


class ContainerLog:
    """The two files of one container's output; ``count`` is the number of records in the index."""

    __slots__ = ("_content", "_index", "_offset", "count")

    def __init__(self, path: str, index_path: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._content = os.open(path, flags, 0o640)
        self._index = os.open(index_path, flags, 0o640)
        # What a crash left half written at the end is overwritten.
        self.count = os.fstat(self._index).st_size // _RECORD.size
        self._offset = 0
        if self.count:
            _, offset, length, _ = self._record(self.count - 1)
            self._offset = offset + length

    def append(self, stream: int, content: bytes) -> bool:
        """Write one chunk; False if the disk is full (or worse): the container must not stop for that."""
        try:
            view, offset = memoryview(content), self._offset
            while view:
                written = os.pwrite(self._content, view, offset)
                offset += written
                view = view[written:]
            record = _RECORD.pack(time_ns(), self._offset, len(content), stream)
            if os.pwrite(self._index, record, self.count * _RECORD.size) != _RECORD.size:
                return False
        except OSError:
            return False
        self._offset = offset
        self.count += 1
        return True

    def read(self, number: int, limit: int) -> tuple[int, list[tuple[int, bytes]]]:
        """From record ``number`` on about ``limit`` bytes of (stream, content); also the next number."""
        chunks: list[tuple[int, bytes]] = []
        taken = 0
        while number < self.count and taken < limit and len(chunks) < _BATCH:
            _, offset, length, stream = self._record(number)
            chunks.append((stream, os.pread(self._content, length, offset)))
            taken += length
            number += 1
        return number, chunks

    def _record(self, number: int) -> tuple[int, int, int, int]:
        time, offset, length, stream = _RECORD.unpack(
            os.pread(self._index, _RECORD.size, number * _RECORD.size)
        )
        return time, offset, length, stream
