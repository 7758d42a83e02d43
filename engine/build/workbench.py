"""Owns a build's conversation with its worker: started when first needed, one request at a time.

Refuses to do the work: ``engine.build.serving`` does, in another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import EngineError, RuntimeFailure
from engine.runtime.session import to_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.runtime.launcher import Launcher

_LINE_LIMIT = 1 << 26


class Workbench:
    """One worker for the length of a build; ``close`` ends it, whatever it is doing."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._task: asyncio.Task[Any] | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()
        self._busy = False

    async def start(self) -> None:
        """Have the worker started, so that it imports while something else goes on."""
        if self._streams is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            descriptor = theirs.detach()
            self._task = asyncio.create_task(self._serve(descriptor))
            self._streams = await asyncio.open_unix_connection(sock=ours, limit=_LINE_LIMIT)

    async def work(self, call: str, arguments: Mapping[str, object]) -> Any:
        """The result of ``call`` (a name that ``engine.build.serving`` knows); raises its engine error."""
        async with self._turn:
            if self._busy:
                await self.close()  # it works on a request that was cancelled, and would answer that
            await self.start()
            if self._streams is None:
                raise RuntimeFailure("build worker", reason="it was closed")
            reader, writer = self._streams
            self._busy = True
            writer.write(msgspec.json.encode({"call": call, "arguments": arguments}) + b"\n")
            answer = await self._answered(reader)
            self._busy = False
        if "error" in answer:
            raise to_error(msgspec.json.encode(answer["error"]))
        return answer["result"]

    async def close(self) -> None:
        """End the worker: at once if it is at work."""
        if self._task is None or self._streams is None:
            return
        self._streams[1].close()
        if self._busy:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, EngineError):
            await self._task  # its failure was raised where it was asked to work
        self._task = self._streams = None
        self._busy = False

    async def _answered(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        line = await reader.readline()
        if not line and self._task is not None:
            await self._task  # it died: of what, the task says
            raise RuntimeFailure("build worker", reason="it died before it had finished")
        answer: dict[str, Any] = msgspec.json.decode(line)
        return answer

    async def _serve(self, descriptor: int) -> None:
        with socket.socket(fileno=descriptor) as theirs:
            work = self._launcher.work("engine.build.serving:serve", {}, fds=(theirs.fileno(),))
            await work
