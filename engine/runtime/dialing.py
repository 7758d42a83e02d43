"""Owns asking a live supervisor: connects, says the first word, takes the answer.

Refuses to carry what a session brings after the answer: that is ``engine.runtime.session``.
"""

from __future__ import annotations

import socket
import time
from typing import Any

import msgspec

from engine import errors, loop
from engine.runtime.frames import Frames
from engine.runtime.session import Session, to_error
from engine.shim import wire

_CROWDED_SECONDS = 10.0
_STEP = 0.005


async def request(socket_path: str, body: dict[str, Any]) -> Any:
    """One request to a supervisor (see ``engine.shim.wire``); its JSON answer, or the error it names.

    Raises OSError (ConnectionRefusedError, FileNotFoundError) when no supervisor listens there.
    """
    frames, answer = await _asked(socket_path, body)
    frames.close()
    return answer


async def attached(socket_path: str, body: dict[str, Any]) -> Session:
    """A session from the request ``body``, whose op is attach, exec, wait or a held pause."""
    frames, answer = await _asked(socket_path, body)
    return Session(frames, tty=bool(answer.get("tty")))


async def _asked(socket_path: str, body: dict[str, Any]) -> tuple[Frames, Any]:
    connection = await _connected(socket_path)
    word = wire.pack(wire.REQUEST, msgspec.json.encode({"version": wire.VERSION, **body}))
    try:
        unsent = word[connection.send(word) :]
    except OSError as error:
        connection.close()
        raise ConnectionResetError(error.errno, "the supervisor ended before it was asked") from error
    frames = Frames(connection, unsent)
    try:
        frame = await frames.read()
    except BaseException:
        frames.close()
        raise
    if frame is not None and frame[0] != wire.ERROR:
        return frames, msgspec.json.decode(frame[1])
    frames.close()
    if frame is None:
        raise ConnectionResetError("the supervisor ended before it answered")
    raise _told(to_error(frame[1]), str(body["op"]))


def _told(error: errors.EngineError, operation: str) -> errors.EngineError:
    """``error``, or what it means: a supervisor is of the release that started its container."""
    if str(error) != f"supervisor: unknown operation {operation!r}":
        return error
    return errors.SupervisorTooOld(
        "supervisor",
        reason=f"it was started by an older tuidock, which does not know {operation!r}",
        remedy="Restart the container with this version of tuidock.",
    )


async def _connected(socket_path: str) -> socket.socket:
    """A connection to who listens at ``socket_path``, after its turn in a crowd of others."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    end = time.monotonic() + _CROWDED_SECONDS
    while True:
        try:
            connection.connect(socket_path)
        except BlockingIOError:  # unix(7): the listener's queue is full
            if time.monotonic() > end:
                connection.close()
                raise
        except BaseException:
            connection.close()
            raise
        else:
            return connection
        await loop.begin()
        import asyncio

        await asyncio.sleep(_STEP)
