"""Owns reading a container's log: tail, since, until, follow, in whole lines; refuses to write it.

The log is raw bytes and an index of chunks (``engine.shim.wire.LOG_RECORD``). What is given out are chunks
of whole lines of one stream, each with the time at which its bytes came; only the last may lack its end.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from engine.records import LogChunk
from engine.shim.wire import LOG_RECORD
from engine.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from engine.options import LogOptions

_BATCH = 512
_LONGEST_LINE = 1 << 20
_LOOK_BACK = 4096
"""Records before the tail in which the beginning of a line that ends in it is still looked for."""
_STREAMS = {1: "stdout", 2: "stderr"}


class _Record(NamedTuple):
    time: int
    offset: int
    length: int
    stream: int


class LogReader:
    """The two files of one log, as they are now; missing ones are empty."""

    def __init__(self, path: str, index_path: str) -> None:
        self._content = _open(path)
        self._index = _open(index_path)

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in (self._content, self._index):
            if descriptor is not None:
                os.close(descriptor)
        self._content = self._index = None

    @property
    def count(self) -> int:
        """The number of complete records."""
        return os.fstat(self._index).st_size // LOG_RECORD.size if self._index is not None else 0

    def records(self, start: int, end: int) -> list[_Record]:
        """The records from number ``start`` to before ``end``."""
        if self._index is None or start >= end:
            return []
        raw = os.pread(self._index, (end - start) * LOG_RECORD.size, start * LOG_RECORD.size)
        whole = len(raw) - len(raw) % LOG_RECORD.size
        return [_Record(*fields) for fields in LOG_RECORD.iter_unpack(raw[:whole])]

    def content(self, record: _Record) -> bytes:
        """The bytes that a record describes."""
        return b"" if self._content is None else os.pread(self._content, record.length, record.offset)

    def tail_start(self, lines: int, end: int) -> int:
        """A record from which on, up to ``end``, at least ``lines`` whole lines lie."""
        found, clean, seen, after = 0, set[int](), set[int](), 0
        position = end
        while position > 0:
            first = max(0, position - _BATCH)
            for number, record in reversed(list(enumerate(self.records(first, position), first))):
                content = self.content(record)
                enough = found > lines
                if enough and content.endswith(b"\n"):
                    clean.add(record.stream)
                if enough and (seen <= clean or after > _LOOK_BACK):
                    return number + 1
                after += enough
                found += content.count(b"\n")
                if not enough:
                    seen.add(record.stream)
            position = first
        return 0


class _Lines:
    """Chunks in, whole lines out; what a stream has not ended yet waits."""

    def __init__(self) -> None:
        self._rest: dict[int, tuple[int, bytes]] = {}

    def feed(self, record: _Record, content: bytes) -> Iterator[LogChunk]:
        """The lines that are complete now: the one that had begun before, then the others as one chunk."""
        begun, rest = self._rest.pop(record.stream, (record.time, b""))
        whole, newline, left = (rest + content).rpartition(b"\n")
        whole += newline
        if left and len(left) > _LONGEST_LINE:
            whole, left = whole + left, b""
        if left:
            self._rest[record.stream] = (record.time if newline or not rest else begun, left)
        if rest and whole and begun != record.time:
            first, newline, whole = whole.partition(b"\n")
            yield _chunk(begun, record.stream, first + newline)
        if whole:
            yield _chunk(record.time, record.stream, whole)

    def flush(self) -> Iterator[LogChunk]:
        """The lines without an end: nothing more comes."""
        for stream, (time, rest) in sorted(self._rest.items(), key=lambda item: item[1][0]):
            yield _chunk(time, stream, rest)
        self._rest.clear()


async def read_log(
    path: str, index_path: str, options: LogOptions, lock_path: str = "", supervisor: int | None = None
) -> AsyncIterator[LogChunk]:
    """The log as ``options`` want it; with ``follow`` until the container has ended.

    It has when its supervisor, the pidfd ``supervisor`` (closed here), has removed its lock or died.
    """
    reader = LogReader(path, index_path)
    lines = _Lines()
    try:
        with Watch() as watch:
            follows = options.follow and supervisor is not None and _watched(watch, index_path, lock_path)
            end = reader.count
            start = 0 if options.tail is None else reader.tail_start(options.tail, end)
            past = _past(reader, lines, start, end, flush=not follows)
            for chunk in past if options.tail is None else _last_lines(past, options.tail):
                if _wanted(chunk, options):
                    yield chunk
                    await asyncio.sleep(0)
            while follows:
                follows = await watch.changed(process=supervisor) and _exists(lock_path)
                new = reader.count
                for chunk in _past(reader, lines, end, new, flush=not follows):
                    if options.until is not None and chunk.time > options.until:
                        return
                    if _wanted(chunk, options):
                        yield chunk
                end = new
    finally:
        reader.close()
        if supervisor is not None:
            os.close(supervisor)


def _watched(watch: Watch, *paths: str) -> bool:
    """Watch all of ``paths``; false if one is gone: then the container has ended."""
    try:
        for path in paths:
            watch.add(path)
    except FileNotFoundError:
        return False
    return True


def _exists(path: str) -> bool:
    return os.path.exists(path)


def _past(reader: LogReader, lines: _Lines, start: int, end: int, *, flush: bool) -> Iterator[LogChunk]:
    for first in range(start, end, _BATCH):
        for record in reader.records(first, min(end, first + _BATCH)):
            yield from lines.feed(record, reader.content(record))
    if flush:
        yield from lines.flush()


def _last_lines(chunks: Iterable[LogChunk], count: int) -> Iterable[LogChunk]:
    """The last ``count`` lines of what ``chunks`` hold."""
    single = (
        _chunk(chunk.time, 1 if chunk.stream == "stdout" else 2, line)
        for chunk in chunks
        for line in split_lines(chunk.content)
    )
    return deque(single, maxlen=count)


def split_lines(content: bytes) -> list[bytes]:
    """The lines of ``content`` with their ends: only a newline is one (a progress bar's return is not)."""
    *whole, rest = content.split(b"\n")
    lines = [line + b"\n" for line in whole]
    return [*lines, rest] if rest else lines


def _wanted(chunk: LogChunk, options: LogOptions) -> bool:
    return (
        (options.stdout if chunk.stream == "stdout" else options.stderr)
        and (options.since is None or chunk.time >= options.since)
        and (options.until is None or chunk.time <= options.until)
    )


def _chunk(time: int, stream: int, content: bytes) -> LogChunk:
    return LogChunk(time=time, stream=_STREAMS.get(stream, "stdout"), content=content)


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
