"""Owns a container that lives while its run folder is gone: somebody has cleaned /run up.

Its supervisor, which its facts name, is told and makes the folder again; one that does not is ended, and the
container with it. Refuses to look at any whose lock can be found.
"""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING

import msgspec

from engine import loop
from engine.runtime.capabilities import capability_names
from engine.runtime.seccomp import seccomp_filter
from engine.shim.lock import lock_holder
from engine.shim.worker import process_start_time

if TYPE_CHECKING:
    from engine.options import CreateOptions
    from engine.paths import Paths
    from engine.records import Container
    from engine.runtime.launcher import Launcher

_SECONDS = 5.0
_STEP = 0.005
_LIVES = frozenset({"running", "paused", "restarting"})


class _Told(msgspec.Struct):
    """What of a state.json is needed here."""

    status: str
    pid: int
    pid_start_time: int
    supervisor: tuple[int, int] = (0, 0)


async def reclaimed(paths: Paths, launcher: Launcher, container: Container) -> bool:
    """Whether the container, whose lock is held by nobody, lives and is found by everybody again.

    If false, it is dead. Called by who has the claim of the container.
    """
    told = _read(paths.container_state(container.id))
    if told is None or told.status not in _LIVES or os.path.exists(paths.container_lock(container.id)):
        return False
    if told.pid and _opened(told.pid, told.pid_start_time) is None:
        return False  # it has ended; its supervisor could only not say so
    supervisor = _opened(*told.supervisor)
    if supervisor is None:
        return False
    try:
        signal.pidfd_send_signal(supervisor, signal.SIGHUP)
        if await _back(paths, container.id, supervisor):
            await _make_filter(paths, launcher, container.options)
            return True
        signal.pidfd_send_signal(supervisor, signal.SIGKILL)
        select.select([supervisor], [], [], _SECONDS)
    except ProcessLookupError:
        pass  # it has just ended
    finally:
        os.close(supervisor)
    return False


async def _back(paths: Paths, container_id: str, supervisor: int) -> bool:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and not select.select([supervisor], [], [], 0)[0]:
        if lock_holder(paths.container_lock(container_id)) and os.path.exists(
            paths.container_socket(container_id)
        ):
            return True
        await loop.begin()
        import asyncio

        await asyncio.sleep(_STEP)
    return False


async def _make_filter(paths: Paths, launcher: Launcher, options: CreateOptions) -> None:
    """Its next process is to have the same filter, which has gone with the run folder."""
    names = capability_names(options.cap_add, options.cap_drop, privileged=options.privileged)
    await seccomp_filter(paths, launcher, options.seccomp, names, privileged=options.privileged)


def _opened(pid: int, start_time: int) -> int | None:
    """A pidfd of the process that began at ``start_time``; None if it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except (OSError, OverflowError):
        return None
    try:
        if process_start_time(pid) == start_time:
            return descriptor
    except (FileNotFoundError, ProcessLookupError):
        pass
    os.close(descriptor)
    return None


def _read(path: str) -> _Told | None:
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=_Told)
    except (OSError, msgspec.DecodeError):
        return None
