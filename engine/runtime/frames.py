"""Owns frames over one connected socket: beside others on the event loop, or, where none runs, by waiting.

A process without a loop has nothing else to do (see ``engine.loop``); the two ways may follow each other.
Refuses to know what a frame means.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from engine import errors, loop
from engine.shim import wire

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_READ_SIZE = 1 << 18
_FINISH_SECONDS = 5.0
_GONE = (ConnectionResetError, BrokenPipeError)
_NOW = socket.MSG_DONTWAIT


class Frames:
    """Frames both ways over ``connection``, which is its own from now on; one task reads, any may send."""

    def __init__(self, connection: socket.socket, unsent: bytes = b"") -> None:
        """``unsent`` is left of what is being sent."""
        connection.setblocking(True)
        self._connection = connection
        self._received = bytearray()
        self._unsent = bytearray(unsent)
        self._pending: dict[int, asyncio.Future[None]] = {}
        """What waits to read (0) or write (1): cancelled, it has taken nothing that it could lose."""
        self._closed = False

    async def read(self) -> tuple[int, bytes] | None:
        """The next frame (kind, body); None when the other side is gone."""
        while True:
            frame = self._frame()
            if frame is not None:
                return frame
            try:
                await self._flush()
                part = await self._receive()
            except _GONE:
                return None
            if not part:
                return None
            self._received += part

    async def send(self, kind: int, body: bytes = b"") -> None:
        """Send one frame; waits while the other side does not take it."""
        self._unsent += wire.pack(kind, body)
        try:
            await self._flush()
        except _GONE:
            self._unsent.clear()  # the reading side finds out, and knows what it means

    async def finish(self) -> None:
        """Say that nothing more comes, wait until the other side is gone (5 s at most), close."""
        try:
            if loop.begun():
                import asyncio

                async with asyncio.timeout(_FINISH_SECONDS):
                    await self._drain()
            else:
                self._connection.settimeout(_FINISH_SECONDS)
                await self._drain()
        except (OSError, TimeoutError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close at once; the other side sees the end."""
        self._closed = True
        for which in tuple(self._pending):
            self._settle(which)
        self._connection.close()

    def _frame(self) -> tuple[int, bytes] | None:
        size = wire.HEADER.size
        if len(self._received) < size:
            return None
        version, kind, _, length = wire.HEADER.unpack_from(self._received)
        if version != wire.VERSION or length > wire.MAX_FRAME:
            raise errors.RuntimeFailure(
                "supervisor",
                reason=f"it speaks version {version} of the wire, this engine speaks {wire.VERSION}",
                remedy="Restart the container with this version of tuidock.",
            )
        if len(self._received) < size + length:
            return None
        body = bytes(memoryview(self._received)[size : size + length])
        del self._received[: size + length]
        return kind, body

    async def _drain(self) -> None:
        await self._flush()
        self._connection.shutdown(socket.SHUT_WR)
        while await self._receive():
            pass

    async def _receive(self) -> bytes:
        if not loop.begun():
            with loop.waiting():
                return self._connection.recv(_READ_SIZE)
        while True:
            try:
                return self._connection.recv(_READ_SIZE, _NOW)
            except BlockingIOError:
                await self._ready(0)

    async def _flush(self) -> None:
        if self._unsent and not loop.begun():
            with loop.waiting():
                self._connection.sendall(self._unsent)
            self._unsent.clear()
        while self._unsent:
            try:
                del self._unsent[: self._connection.send(self._unsent, _NOW)]
            except BlockingIOError:
                await self._ready(1)

    async def _ready(self, which: int) -> None:
        import asyncio

        future = self._pending.get(which)
        if future is None:
            running = asyncio.get_running_loop()
            future = self._pending[which] = running.create_future()
            add: Callable[..., Any] = running.add_writer if which else running.add_reader
            add(self._connection, self._settle, which)
        await asyncio.shield(future)
        if self._closed:
            raise ConnectionResetError("this side has closed the connection")

    def _settle(self, which: int) -> None:
        future = self._pending.pop(which)
        if not loop.begun():
            return  # it is over, and whoever waited too
        import asyncio

        running = asyncio.get_running_loop()
        (running.remove_writer if which else running.remove_reader)(self._connection)
        if not future.done():
            future.set_result(None)
