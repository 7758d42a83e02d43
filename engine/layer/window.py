"""Owns looking at a stream piece by piece in one buffer, used again; refuses to copy what is passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import io

SIZE = 1 << 18
"""As much as a processor's second cache holds: what was just decompressed is written from there."""


class Window:
    """The bytes of ``stream``, each seen once; ``size`` of them at most are read ahead."""

    def __init__(self, stream: io.RawIOBase | io.BufferedIOBase, size: int = SIZE) -> None:
        # A buffered stream would wait until all of the buffer is full.
        self._fill = getattr(stream, "readinto1", None) or cast("Any", stream).readinto
        self._buffer = memoryview(bytearray(size))
        self._start = self._end = 0

    def view(self, most: int) -> memoryview:
        """At most so many bytes, good until the next call; none at the end."""
        start = self._start
        if start == self._end:
            start, self._end = 0, self._fill(self._buffer) or 0
        self._start = min(start + most, self._end)
        return self._buffer[start : self._start]

    def take(self, size: int) -> bytes:
        """So many bytes, less at the end."""
        start = self._start
        if size <= self._end - start:
            self._start = start + size
            return bytes(self._buffer[start : self._start])
        taken = bytearray()
        while len(taken) < size and (piece := self.view(size - len(taken))):
            taken += piece
        return bytes(taken)
