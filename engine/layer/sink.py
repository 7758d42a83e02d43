"""Owns the descriptor that an archive is written to for somebody else; refuses to blame the store for it."""

from __future__ import annotations

import io
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from engine.errors import OutputFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUFFER = 1 << 20


class Sink(io.RawIOBase):
    """A raw stream to ``descriptor``; OutputFailed when its reader is gone, or what it leads to is full."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, content: Any) -> int:
        try:
            return os.write(self._descriptor, content)
        except BrokenPipeError as error:
            raise OutputFailed("its reader has gone", closed=True) from error
        except OSError as error:
            raise OutputFailed((error.strerror or str(error)).lower()) from error


@contextmanager
def written(descriptor: int) -> Iterator[BinaryIO]:
    """A buffered stream to ``descriptor``, flushed at the end of the block; the descriptor stays open."""
    buffered = io.BufferedWriter(Sink(descriptor), _BUFFER)
    try:
        yield cast("BinaryIO", buffered)
        buffered.flush()
    finally:
        with suppress(OutputFailed):  # what could not be written is tried once more
            buffered.detach()
