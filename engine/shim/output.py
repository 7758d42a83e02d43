"""Owns what a process writes on its way out: to the log first, then to every client that is attached.

A client that reads slowly is served from the log, so it misses nothing and holds nobody up. Without a log
the process waits for its clients. Refuses to interpret what passes through, and to know who the clients are.
"""

from __future__ import annotations

import os
from functools import partial

from engine.shim import wire
from engine.shim.loop import HIGH, IN, READ_SIZE, Client, Loop

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from engine.shim.log import ContainerLog

_KINDS = {1: wire.STDOUT, 2: wire.STDERR}


class Output:
    """The output of one process at a time (``take``), and the clients whose ``cursor`` is in it."""

    __slots__ = ("_clients", "_descriptors", "_log", "_loop", "_terminal")

    def __init__(self, loop: Loop, log: ContainerLog | None) -> None:
        self._loop = loop
        self._log = log
        self._clients: list[Client] = []
        self._descriptors: dict[int, int] = {}
        self._terminal = -1

    @property
    def end(self) -> int:
        """The cursor behind everything that was written until now."""
        return self._log.count if self._log else 0

    def take(self, descriptors: dict[int, int], terminal: int) -> None:
        """Read ``descriptors`` (each with its stream, 1 or 2), and close all but ``terminal`` in the end."""
        self._descriptors, self._terminal = dict(descriptors), terminal
        self._watch()

    def drain(self) -> None:
        """The process is over: read what is left, and stop."""
        for fd in list(self._descriptors):
            while self._read(fd):
                pass
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
        return client.cursor is not None and self._log is not None and client.cursor < self._log.count

    def feed(self, client: Client) -> None:
        """Send ``client`` what it has missed, as much as its buffer should hold."""
        log = self._log
        while log is not None and client.cursor is not None and self.lags(client) and client.pending < HIGH:
            client.cursor, chunks = log.read(client.cursor, HIGH // 4)
            for stream, content in chunks:
                client.send(_KINDS[stream], content)
        self._resume()

    def _watch(self) -> None:
        for fd in self._descriptors:
            self._loop.watch(fd, IN, partial(self._read, fd))

    def _resume(self) -> None:
        if self._log is None:
            self._watch()

    def _drop(self, fd: int) -> None:
        self._loop.forget(fd)
        if self._descriptors.pop(fd, None) is not None and fd != self._terminal:
            os.close(fd)

    def _read(self, fd: int, _events: int = 0) -> bool:
        """Take one read; False when nothing more is there now."""
        try:
            content = os.read(fd, READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            content = b""  # a terminal that was closed
        if not content:
            self._drop(fd)
            return False
        self._spread(self._descriptors[fd], content)
        return True

    def _spread(self, stream: int, content: bytes) -> None:
        number = self.end
        logged = self._log is not None and self._log.append(stream, content)
        crowded = False
        for client in tuple(self._clients):
            if self._log is not None and (client.cursor != number or client.pending >= HIGH):
                continue
            client.send(_KINDS[stream], content)
            if client.cursor is not None:  # sending may have shown that it is gone
                client.cursor = number + logged
            crowded = crowded or client.pending > HIGH
        if self._log is None and crowded:
            for fd in self._descriptors:
                self._loop.forget(fd)
