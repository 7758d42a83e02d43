"""Owns waiting, on the event loop, for files and folders to change; refuses to read them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from engine import loop as loops
from engine.shim.inotify import (
    IN_ATTRIB,
    IN_CREATE,
    IN_DELETE,
    IN_DELETE_SELF,
    IN_MODIFY,
    IN_MOVE_SELF,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    inotify_add_watch,
    inotify_init,
    inotify_read,
)

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

FILE_CHANGES = IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF
"""Written to, truncated, renamed away or removed."""

FOLDER_CHANGES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF
"""An entry came or went, or the folder itself did."""


class Watch:
    """One inotify descriptor; watch first, then look, then wait: nothing is missed in between."""

    def __init__(self) -> None:
        self._descriptor = inotify_init()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def add(self, path: str, mask: int = FILE_CHANGES) -> int:
        """Watch the inode that ``path`` names now; OSError if there is none."""
        return inotify_add_watch(self._descriptor, path, mask)

    def add_descriptor(self, descriptor: int, mask: int = FILE_CHANGES) -> int:
        """Watch the inode behind an open ``descriptor``, whatever its name is by now."""
        return inotify_add_watch(self._descriptor, f"/proc/self/fd/{descriptor}", mask)

    async def changed(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - an instant to wait for
        *,
        process: int | None = None,
    ) -> bool:
        """Wait until something watched changed (true); false after ``timeout`` seconds.

        False, too, once the process behind the pidfd ``process`` has ended, and all its files are closed.
        """
        await loops.begin()
        import asyncio

        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        descriptors = (self._descriptor,) if process is None else (self._descriptor, process)
        for descriptor in descriptors:
            loop.add_reader(descriptor, _settle, ready)
        try:
            await asyncio.wait((ready,), timeout=timeout)
        finally:
            for descriptor in descriptors:
                loop.remove_reader(descriptor)
        seen = False
        while inotify_read(self._descriptor):
            seen = True
        return seen

    def close(self) -> None:
        """Give the descriptor back; more than once does no harm."""
        descriptor, self._descriptor = getattr(self, "_descriptor", -1), -1
        if descriptor >= 0:
            os.close(descriptor)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
