"""Owns waiting: one poll(2) loop, and clients with bounded buffers on it; refuses threads."""

from __future__ import annotations

import os
import select
import struct
from time import monotonic

from engine.shim import sockets, wire

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable

IN, OUT = select.POLLIN, select.POLLOUT
HIGH = 1 << 20
"""Bytes that wait for a slow reader before its source is not read any more, or read again from the log."""
READ_SIZE = 256 * 1024
_LONGEST = 1 << 30
"""Milliseconds, twelve days: poll(2) takes no more than twice that, and an image may ask for any time."""


class Timer:
    """One call in the future, until it is made or cancelled."""

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], object]) -> None:
        self.due = due
        self.call = call


class Loop:
    """Descriptors and the one handler of each; ``handler(events)`` gets poll(2)'s revents."""

    __slots__ = ("_handlers", "_poll", "_timers")

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[int], object]] = {}
        self._timers: list[Timer] = []

    def watch(self, fd: int, events: int, handler: Callable[[int], object]) -> None:
        """Call ``handler`` on ``events`` (always also on errors and hang-ups); replaces an earlier one."""
        self._poll.register(fd, events)
        self._handlers[fd] = handler

    def forget(self, fd: int) -> None:
        """Watch ``fd`` no longer; nothing if it was not."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def after(self, seconds: float, call: Callable[[], object]) -> Timer:
        """Call ``call`` once, in ``seconds``; without any timer the loop never wakes up by itself."""
        timer = Timer(monotonic() + seconds, call)
        self._timers.append(timer)
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Forget ``timer``; nothing if it is None, or has been called."""
        if timer in self._timers:
            self._timers.remove(timer)

    def turn(self, timeout_ms: float | None = None) -> None:
        """Wait once, call the handlers of what happened and the timers that are due."""
        if self._timers:
            left = max(0.0, min(timer.due for timer in self._timers) - monotonic()) * 1000
            left = min(left, _LONGEST)
            timeout_ms = left if timeout_ms is None else min(left, timeout_ms)
        for fd, events in self._poll.poll(timeout_ms):
            handler = self._handlers.get(fd)
            if handler is not None:  # one before it may have forgotten it
                handler(events)
        if self._timers:
            now = monotonic()
            for timer in [timer for timer in self._timers if timer.due <= now]:
                if timer in self._timers:  # one before it may have cancelled it
                    self._timers.remove(timer)
                    timer.call()


class Client:
    """One connection: frames in, a buffer out.

    ``cursor`` is the next log record that it has not got, if it is attached; ``input``: its frames go to
    the process; ``waits``: it wants EXIT; ``held``: its end is left open when it is gone, so that it can see
    when this process is gone.
    """

    __slots__ = (
        "_events",
        "_loop",
        "_out",
        "_reader",
        "closed",
        "cursor",
        "held",
        "input",
        "on_drained",
        "on_frame",
        "on_gone",
        "sock",
        "waits",
    )

    def __init__(self, loop: Loop, sock: sockets.Socket) -> None:
        self.sock = sock
        self.cursor: int | None = None
        self.input = False
        self.waits = False
        self.closed = False
        self.held = False
        self.on_frame: Callable[[Client, int, bytes], None] = _drop_frame
        self.on_gone: Callable[[Client], None] = _drop
        self.on_drained: Callable[[Client], None] = _drop
        self._loop = loop
        self._reader = wire.FrameReader()
        self._out = bytearray()
        self._events = IN
        sock.setblocking(False)
        loop.watch(sock.fileno(), IN, self._ready)

    @property
    def pending(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._out)

    def send(self, kind: int, body: bytes = b"") -> None:
        """Queue one frame, and send what goes at once."""
        if self.closed:
            return
        empty = not self._out
        self._out += wire.HEADER.pack(wire.VERSION, kind, 0, len(body))
        self._out += body
        if empty:
            self._flush()

    def listen(self, *, wanted: bool) -> None:
        """Whether frames of this client are read now."""
        self._watch(self._events | IN if wanted else self._events & ~IN)

    def close(self) -> None:
        """Close at once; what was not sent is dropped."""
        if not self.closed:
            self.closed = True
            self._loop.forget(self.sock.fileno())
            self.sock.close()

    def _watch(self, events: int) -> None:
        if events != self._events and not self.closed:
            self._events = events
            self._loop.watch(self.sock.fileno(), events, self._ready)

    def _flush(self) -> None:
        try:
            sent = self.sock.send(self._out, sockets.MSG_NOSIGNAL)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lose()
            return
        del self._out[:sent]
        self._watch(self._events | OUT if self._out else self._events & ~OUT)

    def _lose(self) -> None:
        if self.closed:
            return
        if self.held:
            self.closed = True
            self._loop.forget(self.sock.fileno())
        else:
            self.close()
        self.on_gone(self)

    def _ready(self, events: int) -> None:
        if events & OUT:
            self._flush()
            if not self.closed and len(self._out) < HIGH // 4:
                self.on_drained(self)
        if not self.closed and events & ~OUT:
            self._receive()

    def _receive(self) -> None:
        try:
            content = self.sock.recv(READ_SIZE)
            frames = self._reader.feed(content) if content else []
        except BlockingIOError:
            return
        except (OSError, wire.FrameError):
            content, frames = b"", []
        if not content:
            self._lose()
            return
        for kind, body in frames:
            if self.closed:
                break
            try:
                self.on_frame(self, kind, body)
            except (OSError, ValueError, TypeError, LookupError, RecursionError, struct.error):
                self._lose()  # a client that talks nonsense must not take the container with it


class Input:
    """The bytes on their way to a process's input: a pipe, or its terminal's master."""

    __slots__ = ("_ends", "_fd", "_loop", "_out", "_watched")

    def __init__(self, loop: Loop, fd: int) -> None:
        """``fd`` is non-blocking and this object's own; -1 drops everything."""
        self._loop = loop
        self._fd = fd
        self._out = bytearray()
        self._ends = False
        self._watched: Callable[[], None] = _nothing

    def write(self, content: bytes) -> bool:
        """Queue ``content``; False when so much waits that its source should not be read."""
        if self._fd < 0 or self._ends:
            return True
        self._out += content
        self._flush()
        return len(self._out) < HIGH

    def when_drained(self, call: Callable[[], None]) -> None:
        """Call ``call`` once the process has taken what waits."""
        self._watched = call

    def end(self) -> None:
        """Close it when the process has taken everything."""
        self._ends = True
        self._flush()

    def _flush(self) -> None:
        if self._fd < 0:
            return
        try:
            while self._out:
                del self._out[: os.write(self._fd, memoryview(self._out)[:65536])]
        except BlockingIOError:
            self._loop.watch(self._fd, OUT, lambda _: self._flush())
            return
        except OSError:
            self._out.clear()  # nobody reads it any more
            self._ends = True
        self._loop.forget(self._fd)
        if self._ends:
            os.close(self._fd)
            self._fd = -1
        drained, self._watched = self._watched, _nothing
        drained()


def _drop_frame(_client: Client, _kind: int, _body: bytes) -> None:
    return


def _drop(_client: Client) -> None:
    return


def _nothing() -> None:
    return
