"""Owns the files of a container's log as one run of records, over rotations; refuses lines and options.

Rotated files are held open, so that what was found stays readable while its writer goes on and removes it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from aiofiles.threadpool import wrap

from engine.shim.log import numbers, paired, rotated
from engine.shim.wire import LOG_RECORD

if TYPE_CHECKING:
    from io import BufferedReader

    from aiofiles.threadpool.binary import AsyncBufferedReader

_BATCH = 128
_BYTES = 4 << 20
_BACK = 16
_LOOK_BACK = 4096
"""Records before the tail in which the beginning of a line that ends in it is still looked for."""
_ATTEMPTS = 50


class LogRecord(NamedTuple):
    """One chunk: ``time`` in ns since the epoch, ``stream`` 1 or 2."""

    time: int
    offset: int
    length: int
    stream: int


class _Pair:
    """One index and its bytes, open; ``first`` is the number of its first record."""

    def __init__(self, content: BufferedReader, index: BufferedReader) -> None:
        self.first = 0
        self.content, self.index = content, index
        self._content: AsyncBufferedReader = wrap(content)
        self._index: AsyncBufferedReader = wrap(index)

    @property
    def identity(self) -> tuple[int, int]:
        return _identity(os.fstat(self.index.fileno()))

    @property
    def count(self) -> int:
        return os.fstat(self.index.fileno()).st_size // LOG_RECORD.size

    async def records(self, start: int, end: int) -> list[tuple[LogRecord, bytes]]:
        """They lie one behind the other, so that one read serves them all."""
        raw = await _read_at(self._index, start * LOG_RECORD.size, (end - start) * LOG_RECORD.size)
        whole = len(raw) - len(raw) % LOG_RECORD.size
        found = [LogRecord(*fields) for fields in LOG_RECORD.iter_unpack(raw[:whole])]
        if not found:
            return []
        first = found[0].offset
        ends = [record.offset + record.length - first for record in found]
        fit = max(1, sum(end <= _BYTES for end in ends))
        content = memoryview(await _read_at(self._content, first, ends[fit - 1]))
        return [
            (record, bytes(content[end - record.length : end]))
            for record, end in zip(found[:fit], ends, strict=False)
        ]

    def close(self) -> None:
        self.content.close()
        self.index.close()


class LogFiles:
    """All files of one log that there are, oldest first; records have numbers over all of them.

    Files are opened and closed at once: a reader is cancelled at any moment, and must not lose a descriptor.
    """

    def __init__(self, path: str, index_path: str) -> None:
        """The log as it is now; missing files are empty ones."""
        self._path, self._index_path = path, index_path
        self._pairs: list[_Pair] = []
        self.position = 0
        """Where a reader is that comes back: its own to move."""
        self._append(_open_all(path, index_path))

    def close(self) -> None:
        """Give the descriptors back."""
        for pair in self._pairs:
            pair.close()

    @property
    def count(self) -> int:
        """The number of complete records."""
        return self._pairs[-1].first + self._pairs[-1].count if self._pairs else 0

    @property
    def newest(self) -> int | None:
        """The descriptor of the index that is, or was, written to last."""
        return self._pairs[-1].index.fileno() if self._pairs else None

    async def records(self, start: int, end: int) -> list[tuple[LogRecord, bytes]]:
        """Records from number ``start`` on with their bytes: some of those before ``end``, or none."""
        for pair in self._pairs:
            own, last = (
                max(start - pair.first, 0),
                min(pair.count, end - pair.first, start - pair.first + _BATCH),
            )
            if own < last:
                return await pair.records(own, last)
        return []

    async def between(self, start: int, end: int) -> list[tuple[LogRecord, bytes]]:
        """All records from number ``start`` to before ``end``."""
        found: list[tuple[LogRecord, bytes]] = []
        while start + len(found) < end and (some := await self.records(start + len(found), end)):
            found += some
        return found

    async def tail_start(self, lines: int, end: int) -> int:
        """A record from which on, up to ``end``, at least ``lines`` whole lines lie."""
        found, clean, seen, after = 0, set[int](), set[int](), 0
        position = end
        while position > 0:
            first = max(0, position - _BACK)
            for number, (record, content) in reversed(
                list(enumerate(await self.between(first, position), first))
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

    @property
    def is_rotated(self) -> bool:
        """Whether the newest file that is open has another name by now: nothing more comes into it."""
        return not self._pairs or _identity_of(self._index_path) != self._pairs[-1].identity

    def look_for_newer(self) -> bool:
        """Open what rotation has begun since; whether something was lost in between.

        Before it the count has to be taken, and everything up to it read.
        """
        if not self.is_rotated:
            return False
        found = _open_all(self._path, self._index_path)
        known = [pair.identity for pair in found]
        last = self._pairs[-1].identity if self._pairs else None
        if last in known:
            fresh = known.index(last) + 1
            for pair in found[:fresh]:
                pair.close()
            self._append(found[fresh:])
            return False
        lost = bool(self._pairs and found)
        self._append(found)
        return lost

    def forget(self, before: int) -> None:
        """Close the files whose records are all older than number ``before``; never the newest."""
        while len(self._pairs) > 1 and self._pairs[1].first <= before:
            self._pairs.pop(0).close()

    def _append(self, pairs: list[_Pair]) -> None:
        for pair in pairs:
            pair.first = self.count
            self._pairs.append(pair)


def _open_all(path: str, index_path: str) -> list[_Pair]:
    """The pairs of one instant, oldest first: those whose names were the same before and after.

    While they are rotated faster than they can be opened: those that belong together, by their times.
    """
    for attempt in range(_ATTEMPTS):
        pairs, still = [], True
        names = _names(path, index_path)
        for content, index in names:
            pair = _open_pair(rotated(path, content), rotated(index_path, index))
            still = still and pair is not None
            pairs += [pair] if pair is not None else []
        # A listing amid a rotation lacks the file that is between two names.
        still = still and names == _names(path, index_path) and all(_named(pair) for pair in pairs)
        if still or attempt == _ATTEMPTS - 1:
            break
        for pair in pairs:
            pair.close()
    if not still:
        by_identity = {pair.identity: pair for pair in pairs}
        for pair in pairs:
            if by_identity[pair.identity] is not pair:
                pair.close()
        pairs = sorted(by_identity.values(), key=_first_time)
    return pairs


def _names(path: str, index_path: str) -> list[tuple[int, int]]:
    try:
        return paired(numbers(path), numbers(index_path))
    except FileNotFoundError:
        return []  # the container's folder is gone


def _open_pair(path: str, index_path: str) -> _Pair | None:
    """The two files, if they had these names at one instant."""
    content, index = _open(path), _open(index_path)
    if content is None or index is None:
        for file in (content, index):
            if file is not None:
                file.close()
        return None
    pair = _Pair(content, index)
    if _named(pair):
        return pair
    pair.close()
    return None


def _open(path: str) -> BufferedReader | None:
    try:
        return open(path, "rb")
    except FileNotFoundError:
        return None


def _named(pair: _Pair) -> bool:
    """Whether both files still have the names by which they were opened."""
    return all(
        _identity_of(os.fsdecode(file.name)) == _identity(os.fstat(file.fileno()))
        for file in (pair.content, pair.index)
    )


def _first_time(pair: _Pair) -> int:
    raw = os.pread(pair.index.fileno(), LOG_RECORD.size, 0)
    return LogRecord(*LOG_RECORD.unpack(raw)).time if len(raw) == LOG_RECORD.size else 1 << 64


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _identity_of(path: str) -> tuple[int, int] | None:
    try:
        return _identity(os.stat(path))
    except FileNotFoundError:
        return None


async def _read_at(file: AsyncBufferedReader, offset: int, length: int) -> bytes:
    await file.seek(offset)
    return await file.read(length)
