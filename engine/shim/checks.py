"""Owns the health checks of a running container: one at a time, on the supervisor's loop.

Refuses to check what is paused or has ended. Without a check in the bundle nothing here ever wakes up.
"""

from __future__ import annotations

import os
from time import time_ns

from engine.shim import state
from engine.shim.health import Health
from engine.shim.probe import Probe

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from engine.shim.container import Container
    from engine.shim.loop import Loop, Timer

_SECOND = 1_000_000_000


class Checks:
    """The health of one container; its facts are kept in ``container.health``."""

    __slots__ = ("_begun", "_container", "_health", "_id", "_loop", "_probe", "_timer")

    def __init__(self, loop: Loop, container: Container) -> None:
        self._loop = loop
        self._container = container
        wanted = container.bundle.get("health")
        self._health = Health(wanted) if wanted else None
        self._probe: Probe | None = None
        self._timer: Timer | None = None
        self._begun = 0
        self._id = ""
        self.reset()

    def reset(self) -> None:
        """The container is about to be started (again)."""
        if self._health is not None:
            self._health.begin()
            self._container.health = self._health.facts()

    def start(self) -> None:
        """It runs (again, after a pause): check from now on."""
        if self._health is not None and self._timer is None:
            pause = self._health.pause(self._age(time_ns()))
            self._timer = self._loop.after(pause, self._check)

    def stop(self) -> None:
        """It is paused, or has ended; a check that runs is killed."""
        if self._health is None:
            return
        self._loop.cancel(self._timer)
        self._timer = None
        if self._probe is not None:
            self._probe.kill()
            self._probe = None
        self._health.stop()
        self._container.health = self._health.facts()

    def _age(self, instant: int) -> float:
        return (instant - self._container.started_at) / _SECOND

    def _check(self) -> None:
        container = self._container
        self._begun, self._id = time_ns(), os.urandom(32).hex()
        words = " ".join(container.bundle["health"]["args"])
        self._tell(f"exec_create: {words}", execID=self._id)
        try:
            self._probe = Probe(self._loop, container.bundle, container.pidfd, self._take)
        except OSError as error:
            self._take(-1, error.strerror or str(error))
        else:
            self._tell(f"exec_start: {words}", execID=self._id)

    def _take(self, exit_code: int, output: str) -> None:
        health, container = self._health, self._container
        self._probe = None
        if health is None or self._has_ended():
            return  # what dies with the container says nothing of its health
        if exit_code >= 0:
            self._tell("exec_die", execID=self._id, exitCode=str(exit_code))
        result = {"start": self._begun, "end": time_ns(), "exit_code": exit_code, "output": output}
        changed = health.take(result, self._age(self._begun))
        container.health = health.facts()
        try:
            container.write_state("running")
        except OSError:
            pass  # a full disk: the next result is written when there is room
        if changed:
            self._tell(f"health_status: {health.status}")
        self._timer = None
        self.start()

    def _has_ended(self) -> bool:
        return os.waitid(os.P_PIDFD, self._container.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _tell(self, action: str, **attributes: str) -> None:
        try:
            state.append_event(self._container.bundle, action, **attributes)
        except OSError:
            pass  # a full disk must not end the checks
