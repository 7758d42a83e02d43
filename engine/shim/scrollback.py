"""Owns the last bytes of an output that nobody writes down: a bounded piece of memory, read like a log."""

from __future__ import annotations

_MARKS = 4096
"""Changes between the streams that are remembered."""


class Scrollback:
    """The last ``limit`` bytes with their streams; a cursor counts bytes since the beginning.

    What is over it is gone, so the writer waits for its readers: for "all", or for "any" of them.
    """

    __slots__ = ("_held", "_limit", "_marks", "count", "waits_for")

    def __init__(self, limit: int, waits_for: str) -> None:
        self._limit = limit
        self._held = bytearray()
        self._marks: list[tuple[int, int]] = []
        self.count = 0
        self.waits_for = waits_for

    @property
    def begin(self) -> int:
        """The cursor of the oldest byte that is held."""
        return self.count - len(self._held)

    def append(self, stream: int, content: bytes) -> bool:
        """Take ``content``; what is over the limit is forgotten."""
        if not self._marks or self._marks[-1][1] != stream:
            self._marks.append((self.count, stream))
        self._held += content
        self.count += len(content)
        excess = len(self._held) - self._limit
        if len(self._marks) > _MARKS:
            excess = max(excess, self._marks[_MARKS // 2][0] - self.begin)
        if excess > 0:
            del self._held[:excess]
            begin = self.begin
            while len(self._marks) > 1 and self._marks[1][0] <= begin:
                self._marks.pop(0)
        return True

    def read(self, cursor: int, limit: int) -> tuple[int, list[tuple[int, bytes]]]:
        """From ``cursor`` on at most ``limit`` bytes as (stream, content); also the cursor behind them."""
        begin = self.begin
        cursor = max(cursor, begin)
        end = min(self.count, cursor + limit)
        chunks: list[tuple[int, bytes]] = []
        ends = [offset for offset, _ in self._marks[1:]] + [self.count]
        for (_, stream), until in zip(self._marks, ends, strict=True):
            if cursor < min(until, end):
                chunks.append((stream, bytes(self._held[cursor - begin : min(until, end) - begin])))
                cursor = min(until, end)
        return cursor, chunks

    def last(self, size: int) -> int:
        """The cursor from which on ``size`` bytes are held, or all."""
        return max(self.begin, self.count - size)
