"""Owns a container's runs, one after the other: the end of each, the restart policy, the pause between two.

Between two runs the container has no process; its lock, socket and ports are kept. Refuses to serve clients.
"""

from __future__ import annotations

import os
from time import time_ns

from engine.shim import state
from engine.shim.checks import Checks
from engine.shim.loop import IN
from engine.shim.oom import OomWatch
from engine.shim.restart import RestartPolicy

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.shim.container import Container
    from engine.shim.loop import Loop, Timer

_SECOND = 1_000_000_000
_EXIT_CODES = {"CommandNotFound": 127, "CommandNotExecutable": 126}
_NOT_STARTED = 128


class Runs:
    """The runs of one container; ``over`` once none will follow, ``resting`` between two."""

    def __init__(self, loop: Loop, container: Container) -> None:
        self._loop = loop
        self._container = container
        self.policy = RestartPolicy(container.bundle.get("restart"))
        self.checks = Checks(loop, container)
        self._memory = OomWatch(loop, container)
        self.over = False
        self.resting = False
        self.exit_code = 0
        self._oom_killed = False
        self._error = ""
        self._told = False
        self._timer: Timer | None = None
        self._wake = -1
        self.on_begin: Callable[[], None] = _nothing
        """Called after each start but the first."""
        self.on_end: Callable[[], None] = _nothing
        """Called when all of a run's processes are dead, before its end is recorded."""
        self.on_rest: Callable[[], None] = _nothing
        """Called when the pause before the next run begins."""

    def watch(self) -> None:
        """The container has just been started."""
        self._loop.watch(self._container.pidfd, IN, self._on_exit)
        self.checks.start()
        self._memory.start()

    def cancel(self) -> None:
        """Nothing is started any more; a pause ends the container at once."""
        self.policy.cancelled = True
        if self.resting:
            self.resting, self.over = False, True
            self._loop.cancel(self._timer)
            os.eventfd_write(self._wake, 1)  # this may be a signal handler, in the middle of a poll(2)

    def record_end(self) -> None:
        """The container is over: the facts, the events, and with --rm the end of its files."""
        bundle = self._container.bundle
        told = self._tell("exited")
        if not bundle.get("auto_remove"):
            return
        for path in bundle.get("remove_paths", ()):
            if path != bundle["run_dir"]:  # that goes with the lock
                state.remove(path)
        try:
            if not told:  # there is room now
                self._tell_die()
            state.append_event(bundle, "destroy")
        except OSError:
            pass

    def _on_exit(self, _events: int) -> None:
        container = self._container
        self._loop.forget(container.pidfd)
        self.checks.stop()
        self.exit_code = container.reap()
        self._memory.stop()
        self._oom_killed = container.oom_killed or container.was_killed_for_memory()
        container.finished_at, self._told = time_ns(), False
        container.kill_all()
        self.on_end()
        pause = self.policy.pause_after(self.exit_code, self._seconds())
        container.release(keep_ports=pause is not None)
        if pause is None:
            self.over = True
            return
        container.restart_count = self.policy.count
        self._tell("restarting")
        self.resting, self._told = True, True
        if self._wake < 0:
            self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            self._loop.watch(self._wake, IN, _ignore)
        self._timer = self._loop.after(pause, self._start_again)
        self.on_rest()

    def _start_again(self) -> None:
        container = self._container
        self.resting = False
        self.checks.reset()
        try:
            container.start_again()
        except Exception as error:  # as Docker: what cannot be started is not tried again
            body = container.stage.explain(error)
            container.abandon()
            self.exit_code = _EXIT_CODES.get(str(body["error"]), _NOT_STARTED)
            self._error = _words(body)
            self.over, self._told = True, False
            return
        self.on_begin()

    def _tell(self, status: str) -> bool:
        """Write the end of a run down; False if the disk is full: clients still get the exit code."""
        try:
            self._container.write_state(
                status, exit_code=self.exit_code, oom_killed=self._oom_killed, error=self._error
            )
            if self._told:  # when the pause began
                return True
            if self._oom_killed and not self._memory.told:
                state.append_event(self._container.bundle, "oom")
            self._tell_die()
        except OSError:
            return False
        return True

    def _tell_die(self) -> None:
        lasted, code = str(int(self._seconds())), str(self.exit_code)
        state.append_event(self._container.bundle, "die", execDuration=lasted, exitCode=code)
        state.append_companions(self._container.bundle, "end")

    def _seconds(self) -> float:
        return (self._container.finished_at - self._container.started_at) / _SECOND


def _words(body: dict[str, object]) -> str:
    """One line of an ERROR frame's body."""
    fields = body["fields"]
    if not isinstance(fields, dict):
        return ""
    return ": ".join(
        str(fields[name]) for name in ("stage", "operation", "path", "reason") if fields.get(name)
    )


def _nothing() -> None:
    return


def _ignore(_events: int) -> None:
    return
