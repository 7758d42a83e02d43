"""Owns reading and writing standard streams without stalling the event loop; refuses to know what passes.

The streams' files are shared with other processes, so they are never made non-blocking: readiness is asked
for before every read and write, and no write is larger than what a ready pipe surely takes.
"""

from __future__ import annotations

import os
import select
import stat
from typing import TYPE_CHECKING

from engine import loop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_READ_SIZE = 1 << 16
_PIPE_BUF = 4096


class Reader:
    """Reads one descriptor; regular files and /dev/null are always ready."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        import asyncio

        running = asyncio.get_running_loop()
        try:
            await _ready(self._descriptor, running.add_reader, running.remove_reader)
        except PermissionError:
            await asyncio.sleep(0)  # a file: it is always ready, but others must have their turn
        return os.read(self._descriptor, _READ_SIZE)


class Writer:
    """Writes one descriptor in order and completely."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unbounded = stat.S_ISREG(os.fstat(descriptor).st_mode)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    async def write(self, content: bytes) -> None:
        """All of ``content``; BrokenPipeError if the reader is gone."""
        view = memoryview(content)
        while view:
            if not self._unbounded and not self._poll.poll(0):
                await self._ready()
            try:
                view = view[os.write(self._descriptor, view if self._unbounded else view[:_PIPE_BUF]) :]
            except BlockingIOError:  # whoever started us has made it non-blocking
                await self._ready()

    async def _ready(self) -> None:
        if not loop.begun():
            with loop.waiting():
                self._poll.poll()
            return
        import asyncio

        running = asyncio.get_running_loop()
        await _ready(self._descriptor, running.add_writer, running.remove_writer)


async def _ready(descriptor: int, add: Callable[..., None], remove: Callable[[int], bool]) -> None:
    """Wait until ``descriptor`` is ready; PermissionError where the kernel cannot tell (a file)."""
    import asyncio

    ready = asyncio.get_running_loop().create_future()
    add(descriptor, _resolve, ready)
    try:
        await ready
    finally:
        remove(descriptor)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
