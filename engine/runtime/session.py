"""Owns the session that front ends get of a running process, over a supervisor's frames.

Refuses to start anything, and to touch a terminal: that is the front end's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine import errors
from engine.shim import wire

if TYPE_CHECKING:
    from engine.runtime.frames import Frames

_STREAMS = {wire.STDOUT: "stdout", wire.STDERR: "stderr"}


class Session:
    """A front end's hold on a running process: its output, its input, its end.

    It may be dropped at any time (``detach`` or ``close``): the process goes on.
    """

    def __init__(self, frames: Frames, *, tty: bool) -> None:
        self._frames = frames
        self.tty = tty
        self._exit_code: int | None = None
        self._lost = False
        self._over = False
        self.again = False
        """Once it is over: whether the container is started again, by its restart policy."""

    async def read(self) -> tuple[str, bytes] | None:
        """The next output, ("stdout" or "stderr", bytes); None when the process is over or detached."""
        while not self._over:
            frame = await self._frames.read()
            if frame is None:
                self._over = self._lost = True
                break
            kind, content = frame
            if kind in _STREAMS:
                return _STREAMS[kind], content
            if kind == wire.EXIT:
                self._over = True
                end = msgspec.json.decode(content)
                self.again = bool(end.get("again"))
                self._exit_code = end["exit_code"]
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
        while not self._over:
            await self.read()
        if self._exit_code is not None:
            return self._exit_code
        if self._lost:
            raise errors.RuntimeFailure("supervisor", reason="it died while its container was running")
        raise errors.RuntimeFailure("session", reason="it was detached before the process ended")

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
