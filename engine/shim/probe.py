"""Owns one run of a health check: a process in the container, its output, its end or its timeout.

Source: moby daemon/health.go. A direct child of the supervisor, so that nothing more than it costs memory.
Refuses to judge the result.
"""

from __future__ import annotations

import os

from engine.shim import health, json_text, linux, peers, sandbox, signals, sockets
from engine.shim.loop import IN, Loop, Timer
from engine.shim.pipes import give_streams, open_pipes

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable

_FAILED = -1
_READ_SIZE = 65536


class Probe:
    """One check that is running; ``done(exit_code, output)`` is called once, never from ``__init__``."""

    __slots__ = (
        "_bundle",
        "_channel",
        "_done",
        "_error",
        "_loop",
        "_output",
        "_outputs",
        "_pid",
        "_pidfd",
        "_timer",
    )

    def __init__(self, loop: Loop, bundle: dict, init: int, done: Callable[[int, str], None]) -> None:  # type: ignore[type-arg] # JSON
        """Start the check of ``bundle`` beside the container's init, a pidfd."""
        self._loop, self._bundle, self._done = loop, bundle, done
        self._output = bytearray()
        self._error: str | None = None
        self._timer: Timer | None = None
        streams, _, outputs = open_pipes(stdin=False)
        give_streams(bundle, streams)
        self._outputs = list(outputs)
        self._channel, theirs = sockets.socketpair(
            sockets.AF_UNIX, sockets.SOCK_SEQPACKET | sockets.SOCK_NONBLOCK
        )
        try:
            self._pid = self._fork(init, theirs, streams)
            self._pidfd = os.pidfd_open(self._pid)
        except OSError:
            self._let_go()
            raise
        finally:
            theirs.close()
            for fd in streams:
                os.close(fd)
        loop.watch(self._channel.fileno(), IN, self._on_message)
        loop.watch(self._pidfd, IN, self._on_exit)
        for fd in self._outputs:
            loop.watch(fd, IN, self._reader(fd))

    def _reader(self, fd: int) -> Callable[[int], object]:
        return lambda events: self._on_output(fd, events)

    def _fork(self, init: int, channel: sockets.Socket, streams: list[int]) -> int:
        other_pids = "pid" in peers.names_of(self._bundle)
        if other_pids:
            own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            try:
                linux.setns(init, linux.CLONE_NEWPID)
            except OSError:
                os.close(own)
                raise
        try:
            pid = os.fork()
        except OSError:
            if other_pids:
                linux.setns(own, linux.CLONE_NEWPID)
                os.close(own)
            raise
        if pid == 0:
            try:
                signals.signal(signals.SIGTERM, signals.SIG_DFL)
                signals.signal(signals.SIGHUP, signals.SIG_IGN)
                channel.setblocking(True)
                _close_others({init, channel.fileno(), *streams})
                asked = {"args": self._bundle["health"]["args"], "tty": False, "init": False}
                wanted = {**(self._bundle.get("exec_defaults") or {}), **asked}
                sandbox.join(self._bundle, wanted, init, channel, streams, None)
            finally:
                os._exit(1)
        if other_pids:
            linux.setns(own, linux.CLONE_NEWPID)
            os.close(own)
        return pid

    def kill(self) -> None:
        """End it: nothing is said of it any more.

        The loop reaps it: one that is frozen, or hangs in the kernel, must not be waited for.
        """
        self._done = _nothing
        signals.pidfd_send_signal(self._pidfd, signals.SIGKILL)
        self._let_go()

    def _on_message(self, _events: int) -> None:
        """It has been executed, from when on its time runs, or could not be."""
        packet = self._channel.recv(_READ_SIZE)
        if packet:
            fields = json_text.loads(packet)["error"]["fields"]
            self._error = f"{fields.get('stage', '')}: {fields.get('reason', '')}"
            return
        self._loop.forget(self._channel.fileno())
        self._timer = self._loop.after(self._bundle["health"]["timeout"], self._on_timeout)

    def _on_output(self, fd: int, _events: int = 0) -> bool:
        try:
            content = os.read(fd, _READ_SIZE)
        except BlockingIOError:
            return False
        if not content:
            self._close(fd)
        self._output += content[: health.OUTPUT_LIMIT + 1 - len(self._output)]
        return bool(content)

    def _on_timeout(self) -> None:
        seconds, done = self._bundle["health"]["timeout"], self._done
        output = bytes(self._output)
        self.kill()
        done(_FAILED, health.timed_out(seconds, output))

    def _on_exit(self, _events: int) -> None:
        for fd in tuple(self._outputs):
            while len(self._output) <= health.OUTPUT_LIMIT and self._on_output(fd):
                pass
        code = self._end()
        if self._error is not None:
            self._done(_FAILED, self._error)
        else:
            self._done(code if code >= 0 else 128 - code, health.cut(bytes(self._output)))

    def _end(self) -> int:
        """Reap it and close everything; its exit code."""
        self._let_go()
        self._loop.forget(self._pidfd)
        _, status = os.waitpid(self._pid, 0)
        os.close(self._pidfd)
        return os.waitstatus_to_exitcode(status)

    def _let_go(self) -> None:
        """Close all but what tells of its end."""
        self._loop.cancel(self._timer)
        for fd in tuple(self._outputs):
            self._close(fd)
        self._loop.forget(self._channel.fileno())
        self._channel.close()

    def _close(self, fd: int) -> None:
        self._loop.forget(fd)
        self._outputs.remove(fd)
        os.close(fd)


def _close_others(kept: set[int]) -> None:
    first = 3
    for fd in sorted(kept):
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, 1 << 20)


def _nothing(_code: int, _output: str) -> None:
    return
