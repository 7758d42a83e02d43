"""Owns noticing at once that the kernel ran out of a container's memory; refuses to poll.

cgroup v1 signals an eventfd(2) that was registered in cgroup.event_control, v2 says POLLPRI on memory.events
(the kernel's cgroup-v1 memory document, cgroups(7)). Neither wakes anybody meanwhile.
"""

from __future__ import annotations

import os
import select
from time import monotonic

from engine.shim import cgroup, state

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from engine.shim.container import Container
    from engine.shim.loop import Loop


_PAUSE = 1.0
"""Seconds: who is killed again and again must not push everybody else's events out of the journal."""


class OomWatch:
    """Watches one run of ``container``: writes the fact, and ``oom`` events, at most one a second."""

    __slots__ = ("_container", "_fd", "_kills", "_loop", "_path", "_told_at", "told")

    def __init__(self, loop: Loop, container: Container) -> None:
        self._loop = loop
        self._container = container
        self._path = ""
        self._fd = -1
        self._kills = 0
        self._told_at = 0.0
        self.told = False
        """Whether an event was written for this run."""

    def start(self) -> None:
        """The container runs, in a new group; without a memory controller there is nothing to watch."""
        self._path = self._container.cgroup.get("memory_events") or ""
        self._kills, self.told = 0, False
        if not self._path:
            return
        try:
            if self._path.endswith("memory.oom_control"):
                self._fd = _registered(self._path)
                self._loop.watch(self._fd, select.POLLIN, self._on_eventfd)
            else:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                self._loop.watch(self._fd, select.POLLPRI, self._on_changed)
        except OSError:
            self._fd = -1  # a kernel that cannot tell: the count is looked at when the run is over

    def stop(self) -> None:
        """The run is over, its group goes."""
        if self._fd >= 0:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _on_eventfd(self, _events: int) -> None:
        os.eventfd_read(self._fd)
        # This comes just before the kill, which is not counted yet.
        self._tell(kills=not cgroup.oom_kill_disabled(self._path))

    def _on_changed(self, _events: int) -> None:
        os.pread(self._fd, 4096, 0)  # or the next poll(2) answers at once
        kills = cgroup.oom_kills(self._path)
        if kills > self._kills:
            self._kills = kills
            self._tell(kills=True)

    def _tell(self, *, kills: bool) -> None:
        container = self._container
        try:
            if kills and not container.oom_killed:
                container.oom_killed = True
                if not container.step:
                    container.write_state("running")
            if not self.told or monotonic() - self._told_at >= _PAUSE:
                state.append_event(container.bundle, "oom")
                self.told, self._told_at = True, monotonic()
        except OSError:
            pass  # a full disk; that it was killed is told at its end again


def _registered(path: str) -> int:
    """An eventfd that counts the times that the group of ``path`` was out of memory."""
    counter = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    control = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        cgroup.write(f"{os.path.dirname(path)}/cgroup.event_control", f"{counter} {control}")
    except OSError:
        os.close(counter)
        raise
    finally:
        os.close(control)
    return counter
