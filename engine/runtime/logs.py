"""Owns reading a container's log: tail, since, until, follow, in whole lines; refuses to write it.

The log is raw bytes and an index of chunks (``engine.shim.wire.LOG_RECORD``). What is given out are chunks
of whole lines of one stream, each with the time at which its bytes came; only the last may lack its end.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Self

from aiofiles.threadpool import wrap

from engine.records import LogChunk
from engine.shim.wire import LOG_RECORD
from engine.watch import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from io import BufferedReader

    from aiofiles.threadpool.binary import AsyncBufferedReader

    from engine.options import LogOptions

_BATCH = 128
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
    """The two files of one log, read beside the event loop; ``None`` in place of a missing one.

    They are opened and closed at once: a reader is cancelled at any moment, and must not lose a descriptor.
    """

    def __init__(self, content: BufferedReader | None, index: BufferedReader | None) -> None:
        self._files = tuple(file for file in (content, index) if file is not None)
        self._content: AsyncBufferedReader | None = wrap(content) if content is not None else None
        self._index: AsyncBufferedReader | None = wrap(index) if index is not None else None

    @classmethod
    def open(cls, path: str, index_path: str) -> Self:
        """The log as it is now; missing files are empty ones."""
        return cls(_open(path), _open(index_path))

    def close(self) -> None:
        """Give the descriptors back."""
        for file in self._files:
            file.close()

    @property
    def count(self) -> int:
        """The number of complete records."""
        return os.fstat(self._index.fileno()).st_size // LOG_RECORD.size if self._index is not None else 0

    async def records(self, start: int, end: int) -> list[tuple[_Record, bytes]]:
        """The records from number ``start`` to before ``end``, each with the bytes that it describes.

        They lie one behind the other in the log, so that one read serves them all.
        """
        if self._index is None or self._content is None or start >= end:
            return []
        raw = await _read_at(self._index, start * LOG_RECORD.size, (end - start) * LOG_RECORD.size)
        whole = len(raw) - len(raw) % LOG_RECORD.size
        found = [_Record(*fields) for fields in LOG_RECORD.iter_unpack(raw[:whole])]
        if not found:
            return []
        first, last = found[0].offset, found[-1]
        content = memoryview(await _read_at(self._content, first, last.offset + last.length - first))
        return [
            (record, bytes(content[record.offset - first : record.offset - first + record.length]))
            for record in found
        ]

    async def tail_start(self, lines: int, end: int) -> int:
        """A record from which on, up to ``end``, at least ``lines`` whole lines lie."""
        found, clean, seen, after = 0, set[int](), set[int](), 0
        position = end
        while position > 0:
            first = max(0, position - _BATCH)
            for number, (record, content) in reversed(
                list(enumerate(await self.records(first, position), first))
            ):
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
    reader = LogReader.open(path, index_path)
    lines = _Lines()
    try:
        with Watch() as watch:
            follows = options.follow and supervisor is not None and _watched(watch, index_path, lock_path)
            end = reader.count
            start = 0 if options.tail is None else await reader.tail_start(options.tail, end)
            past = _past(reader, lines, start, end, flush=not follows)
            async for chunk in past if options.tail is None else _last_lines(past, options.tail):
                if _wanted(chunk, options):
                    yield chunk
            while follows:
                follows = await watch.changed(process=supervisor) and _exists(lock_path)
                new = reader.count
                async for chunk in _past(reader, lines, end, new, flush=not follows):
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


async def _past(
    reader: LogReader, lines: _Lines, start: int, end: int, *, flush: bool
) -> AsyncIterator[LogChunk]:
    for first in range(start, end, _BATCH):
        for record, content in await reader.records(first, min(end, first + _BATCH)):
            for chunk in lines.feed(record, content):
                yield chunk
    if flush:
        for chunk in lines.flush():
            yield chunk


async def _last_lines(chunks: AsyncIterator[LogChunk], count: int) -> AsyncIterator[LogChunk]:
    """The last ``count`` lines of what ``chunks`` hold."""
    last: deque[LogChunk] = deque(maxlen=count)
    async for chunk in chunks:
        stream = 1 if chunk.stream == "stdout" else 2
        last.extend(_chunk(chunk.time, stream, line) for line in split_lines(chunk.content))
    for chunk in last:
        yield chunk


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


def _open(path: str) -> BufferedReader | None:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None


async def _read_at(file: AsyncBufferedReader, offset: int, length: int) -> bytes:
    await file.seek(offset)
    return await file.read(length)
