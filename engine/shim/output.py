"""Owns what a process writes on its way out: to the log first, then to every client that is attached.

A client that reads slowly is served from the log, so it misses nothing and holds nobody up. Where there is
only a scrollback the process waits for its clients, see ``engine.shim.scrollback``. Refuses to interpret
what passes through, and to know who the clients are.
"""

from __future__ import annotations

import fcntl
import os
import struct

from engine.shim import wire
from engine.shim.log import ContainerLog
from engine.shim.loop import HIGH, IN, READ_SIZE, Client, Loop
from engine.shim.scrollback import Scrollback

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable

_FIONREAD = 0x541B
KINDS = {1: wire.STDOUT, 2: wire.STDERR}
SCROLLBACK = 1 << 20
"""Bytes of an output without a log that are kept for who looks later."""


def kept(bundle: dict, stage: Callable[[str, str], None]) -> ContainerLog | Scrollback:  # type: ignore[type-arg]
    """Where the output of the container ``bundle`` is kept: its log, or memory if it has none."""
    path, bound = bundle.get("log_path"), bundle.get("log", {})
    if path and bound is not None:
        stage("opening the log", path)
        return ContainerLog(
            path, bundle["log_index_path"], bound.get("max_size", 0), bound.get("max_files", 1)
        )
    if bundle.get("step"):
        return Scrollback(0, "all")
    return Scrollback(SCROLLBACK, "any" if bundle.get("tty") else "all")


class Output:
    """The output of one process at a time (``take``), and the clients whose ``cursor`` is in it."""

    __slots__ = ("_clients", "_descriptors", "_loop", "_terminal", "_waiting", "kept")

    def __init__(self, loop: Loop, kept: ContainerLog | Scrollback) -> None:
        self._loop = loop
        self.kept = kept
        self._clients: list[Client] = []
        self._descriptors: dict[int, int] = {}
        self._terminal = -1
        self._waiting = False

    @property
    def end(self) -> int:
        """The cursor behind everything that was written until now."""
        return self.kept.count

    def since(self, replay: object) -> int:
        """The cursor for a client that wants nothing (false), all (true) or so many bytes of what was."""
        if replay is True:
            return self.kept.begin
        return self.kept.last(replay) if isinstance(replay, int) and replay > 0 else self.kept.count

    def take(self, descriptors: dict[int, int], terminal: int) -> None:
        """Read ``descriptors`` (each with its stream, 1 or 2), and close all but ``terminal`` in the end."""
        self._descriptors, self._terminal = dict(descriptors), terminal
        self._watch()

    def drain(self) -> None:
        """The process is over: read what it has left, and stop, whoever else goes on writing there."""
        for fd in list(self._descriptors):
            left = max(HIGH, _unread(fd))
            while left > 0 and (taken := self._read(fd)):
                left -= taken
            self._drop(fd)

    def attach(self, client: Client, cursor: int) -> None:
        """Send ``client`` everything from ``cursor`` on; its ``on_drained`` has to call ``feed``."""
        client.cursor = cursor
        self._clients.append(client)
        self.feed(client)

    def detach(self, client: Client) -> None:
        """Forget ``client``; nothing if it was not attached."""
        if client in self._clients:
            self._clients.remove(client)
            client.cursor = None
            self._resume()

    def lags(self, client: Client) -> bool:
        """Whether ``client`` has not been sent everything yet."""
        return client.cursor is not None and client.cursor < self.kept.count

    def feed(self, client: Client) -> None:
        """Send ``client`` what it has missed, as much as its buffer should hold."""
        while client.cursor is not None and self.lags(client) and client.pending < HIGH:
            client.cursor, chunks = self.kept.read(client.cursor, HIGH // 4)
            for stream, content in chunks:
                client.send(KINDS[stream], content)
        self._resume()

    def _watch(self) -> None:
        for fd in self._descriptors:
            self._loop.watch(fd, IN, self._reader(fd))

    def _reader(self, fd: int) -> Callable[[int], object]:
        return lambda events: self._read(fd, events)

    def _crowded(self) -> bool:
        """Whether the process has to wait for its clients."""
        kept = self.kept
        if not kept.waits_for or not self._clients:
            return False
        full = [client.pending >= HIGH for client in self._clients]
        return any(full) if kept.waits_for == "all" else all(full)

    def _resume(self) -> None:
        if self._waiting and not self._crowded():
            self._waiting = False
            self._watch()

    def _drop(self, fd: int) -> None:
        self._loop.forget(fd)
        if self._descriptors.pop(fd, None) is not None and fd != self._terminal:
            os.close(fd)

    def _read(self, fd: int, _events: int = 0) -> int:
        """Take one read; 0 when nothing more is there now."""
        try:
            content = os.read(fd, READ_SIZE)
        except BlockingIOError:
            return 0
        except OSError:
            content = b""  # a terminal that was closed
        if not content:
            self._drop(fd)
            return 0
        self._spread(self._descriptors[fd], content)
        return len(content)

    def _spread(self, stream: int, content: bytes) -> None:
        number = self.kept.count
        self.kept.append(stream, content)
        behind = self.kept.count
        for client in tuple(self._clients):
            if client.cursor == number and (client.pending < HIGH or self.kept.waits_for == "all"):
                client.send(KINDS[stream], content)
                if client.cursor is not None:  # sending may have shown that it is gone
                    client.cursor = behind
        if self._crowded():
            self._waiting = True
            for fd in self._descriptors:
                self._loop.forget(fd)


def _unread(fd: int) -> int:
    """The bytes that wait in a pipe or terminal; 0 where that cannot be asked (it hung up)."""
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(fd, _FIONREAD, bytes(4)))
    except OSError:
        return 0
    return int(count)
