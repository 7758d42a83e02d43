"""Owns the conversation with a supervisor: frames over a socket, and the session that front ends get.

Refuses to start anything, and to touch a terminal: that is the front end's.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Self

import msgspec

from engine import errors
from engine.shim import wire

if TYPE_CHECKING:
    import socket

_LIMIT = 1 << 20
_STREAMS = {wire.STDOUT: "stdout", wire.STDERR: "stderr"}


class Frames:
    """Frames both ways over one connected stream socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._header: tuple[int, int] | None = None
        """Kind and length of a frame whose body was not read yet: ``read`` may be cancelled in between."""

    @classmethod
    async def open(cls, connection: socket.socket, unsent: bytes = b"") -> Self:
        """Take over ``connection``, on which ``unsent`` is left of what is being sent."""
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=_LIMIT)
        writer.write(unsent)
        return cls(reader, writer)

    async def read(self) -> tuple[int, bytes] | None:
        """The next frame (kind, body); None when the other side is gone."""
        try:
            if self._header is None:
                header = await self._reader.readexactly(wire.HEADER.size)
                version, kind, _, length = wire.HEADER.unpack(header)
                if version != wire.VERSION or length > wire.MAX_FRAME:
                    raise errors.RuntimeFailure(
                        "supervisor",
                        reason=f"it speaks version {version} of the wire, this engine speaks {wire.VERSION}",
                        remedy="Restart the container with this version of tuidock.",
                    )
                self._header = kind, length
            body = await self._reader.readexactly(self._header[1])
        except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
            return None
        kind, self._header = self._header[0], None
        return kind, body

    async def send(self, kind: int, body: bytes = b"") -> None:
        """Send one frame; waits while the other side does not take what was sent before."""
        self._writer.write(wire.HEADER.pack(wire.VERSION, kind, 0, len(body)))
        if body:
            self._writer.write(body)
        # When the other side is gone the reading side finds out, and knows what it means.
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            await self._writer.drain()

    async def finish(self) -> None:
        """Say that nothing more comes, wait until the other side is gone (5 s at most), close."""
        try:
            if self._writer.can_write_eof() and not self._writer.is_closing():
                self._writer.write_eof()
            async with asyncio.timeout(5):
                while await self._reader.read(_LIMIT):
                    pass
        except (OSError, TimeoutError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close at once; the other side sees the end."""
        self._writer.close()


class Session:
    """A front end's hold on a running process: its output, its input, its end.

    It may be dropped at any time (``detach`` or ``close``): the process goes on.
    """

    def __init__(self, frames: Frames, *, tty: bool) -> None:
        self._frames = frames
        self.tty = tty
        self._exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._over = False
        self.again = False
        """Once it is over: whether the container is started again, by its restart policy."""

    async def read(self) -> tuple[str, bytes] | None:
        """The next output, ("stdout" or "stderr", bytes); None when the process is over or detached."""
        while not self._over:
            frame = await self._frames.read()
            if frame is None:
                self._over = True
                if not self._exit.done():
                    self._exit.set_exception(
                        errors.RuntimeFailure("supervisor", reason="it died while its container was running")
                    )
                    self._exit.exception()  # retrieved: nobody has to wait for it
                break
            kind, content = frame
            if kind in _STREAMS:
                return _STREAMS[kind], content
            if kind == wire.EXIT:
                self._over = True
                end = msgspec.json.decode(content)
                self.again = bool(end.get("again"))
                self._exit.set_result(end["exit_code"])
            elif kind == wire.DETACHED:
                self._over = True
        self._frames.close()
        return None

    async def write(self, content: bytes) -> None:
        """Send ``content`` to the process's input."""
        await self._frames.send(wire.STDIN, content)

    async def end_input(self) -> None:
        """Close the process's input (nothing happens on a terminal)."""
        await self._frames.send(wire.STDIN_END)

    async def resize(self, rows: int, columns: int) -> None:
        """Tell the process's terminal its new size."""
        await self._frames.send(wire.RESIZE, msgspec.json.encode([rows, columns]))

    async def wait(self) -> int:
        """The exit code; output that nobody read is dropped meanwhile."""
        while not self._exit.done() and await self.read() is not None:
            pass
        if not self._exit.done():
            raise errors.RuntimeFailure("session", reason="it was detached before the process ended")
        return self._exit.result()

    async def detach(self) -> None:
        """Leave the process running and its input open."""
        await self._frames.send(wire.DETACHED)
        self._over = True
        self._frames.close()

    def close(self) -> None:
        """Drop the connection; the process goes on."""
        self._over = True
        self._frames.close()


def to_error(content: bytes) -> errors.EngineError:
    """The engine error that an ERROR frame's body describes (see ``engine.shim.wire.failure``)."""
    value = msgspec.json.decode(content)
    fields: dict[str, Any] = value["fields"]
    known = getattr(errors, value["error"], None)
    if not (isinstance(known, type) and issubclass(known, errors.EngineError)):
        return errors.RuntimeFailure("worker", reason=str(fields.get("message") or value["error"]))
    if "message" not in fields:
        made: errors.EngineError = known(**fields)
        return made
    error = known.__new__(known)
    error.args = (fields["message"],)
    for name, field in fields.items():
        setattr(error, name, tuple(field) if isinstance(field, list) else field)
    return error
