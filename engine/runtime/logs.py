"""Owns reading a container's log: tail, since, until, follow, in whole lines; refuses to write it.

The log is raw bytes and an index of chunks (``engine.shim.wire.LOG_RECORD``). What is given out are chunks
of whole lines of one stream, each with the time at which its bytes came; only the last may lack its end.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.records import LogChunk
from engine.runtime.log_files import LogFiles
from engine.watch import FOLDER_CHANGES, Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from engine.options import LogOptions
    from engine.runtime.log_files import LogRecord

_LONGEST_LINE = 1 << 20
_STREAMS = {1: "stdout", 2: "stderr"}


class _Lines:
    """Chunks in, whole lines out; what a stream has not ended yet waits."""

    def __init__(self) -> None:
        self._rest: dict[int, tuple[int, bytes]] = {}

    def feed(self, record: LogRecord, content: bytes) -> Iterator[LogChunk]:
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
    files = LogFiles(path, index_path)
    lines = _Lines()
    try:
        with Watch() as watch:
            follows = options.follow and supervisor is not None and _watched(watch, path, lock_path)
            if follows:
                files.look_for_newer()
                _watch_newest(watch, files)
            end = files.position = files.count
            async for chunk in _from_tail(files, lines, end, options.tail, flush=not follows):
                if _wanted(chunk, options):
                    yield chunk
            while follows:
                follows = await watch.changed(process=supervisor) and _exists(lock_path)
                async for chunk in _new(watch, files, lines, flush=not follows):
                    if options.until is not None and chunk.time > options.until:
                        return
                    if _wanted(chunk, options):
                        yield chunk
    finally:
        files.close()
        if supervisor is not None:
            os.close(supervisor)


def _watched(watch: Watch, path: str, lock_path: str) -> bool:
    """Watch what tells of a rotation and of the end; false if the container has ended."""
    try:
        watch.add(os.path.dirname(path), FOLDER_CHANGES)
        watch.add(lock_path)
    except FileNotFoundError:
        return False
    return True


def _watch_newest(watch: Watch, files: LogFiles) -> None:
    if files.newest is not None:
        watch.add_descriptor(files.newest)


def _exists(path: str) -> bool:
    return os.path.exists(path)


async def _new(watch: Watch, files: LogFiles, lines: _Lines, *, flush: bool) -> AsyncIterator[LogChunk]:
    """What was written since ``files.position``, in all files that were begun since."""
    while True:
        # A file that was rotated away gets nothing more: what came before that is in the count after it.
        rotated_away, newest, end = files.is_rotated, files.newest, files.count
        async for chunk in _past(files, lines, files.position, end, flush=False):
            yield chunk
        files.position = end
        if not rotated_away:
            break
        if files.look_for_newer():
            for chunk in lines.flush():
                yield chunk
        files.forget(end)
        if files.newest == newest:
            break  # its successor is not there yet: the folder will tell
        _watch_newest(watch, files)
    if flush:
        for chunk in lines.flush():
            yield chunk


async def _past(
    files: LogFiles, lines: _Lines, start: int, end: int, *, flush: bool
) -> AsyncIterator[LogChunk]:
    while start < end and (found := await files.records(start, end)):
        for record, content in found:
            for chunk in lines.feed(record, content):
                yield chunk
        start += len(found)
    if flush:
        for chunk in lines.flush():
            yield chunk


async def _from_tail(
    files: LogFiles, lines: _Lines, end: int, tail: int | None, *, flush: bool
) -> AsyncIterator[LogChunk]:
    """The last ``tail`` lines before record ``end``, or all: counted first, so that none has to be held."""
    start = 0 if tail is None else await files.tail_start(tail, end)
    surplus = 0
    if tail is not None:
        async for chunk in _past(files, _Lines(), start, end, flush=flush):
            surplus += len(split_lines(chunk.content))
        surplus -= tail
    async for chunk in _past(files, lines, start, end, flush=flush):
        if surplus <= 0:
            yield chunk
            continue
        kept = split_lines(chunk.content)
        if surplus < len(kept):
            stream = 1 if chunk.stream == "stdout" else 2
            yield _chunk(chunk.time, stream, b"".join(kept[surplus:]))
        surplus -= len(kept)


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
