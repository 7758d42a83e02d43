"""Owns a container that lives while its run folder is gone: somebody has cleaned /run up.

Its supervisor, which its facts name, is told and makes the folder again. One that does not, stopped or slow
as it may be, is left alone by who only looks: its container lives. Refuses to look at any whose lock can be
found.
"""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING

import msgspec

from engine import loop
from engine.runtime.claim import claimed
from engine.runtime.facts import boot_time
from engine.shim.lock import lock_holder
from engine.shim.worker import process_start_time

if TYPE_CHECKING:
    from engine.paths import Paths
    from engine.records import Container
    from engine.runtime.launcher import Launcher

_SECONDS = 2.0
_STEP = 0.005
_LIVES = frozenset({"running", "paused", "restarting"})


class _Told(msgspec.Struct):
    """What of a state.json is needed here."""

    status: str
    pid: int
    pid_start_time: int
    started_at: int = 0
    supervisor: tuple[int, int] = (0, 0)


async def reclaimed(paths: Paths, container: Container) -> bool | None:
    """Whether the container, whose lock is held by nobody, lives and is found by everybody again.

    False: it is dead; None: it lives, and its supervisor does not answer. Called by who has its claim.
    """
    told = _living(paths, container.id)
    supervisor = None if told is None else _opened(*told.supervisor)
    if supervisor is None:
        return False
    try:
        signal.pidfd_send_signal(supervisor, signal.SIGHUP)
        return await _answer(paths, container.id, supervisor)
    except ProcessLookupError:
        return False  # it has just ended
    finally:
        os.close(supervisor)


def is_silent(paths: Paths, container: Container) -> bool:
    """Whether the container lives and cannot be asked anything."""
    return _living(paths, container.id) is not None


async def end(paths: Paths, launcher: Launcher, container: Container) -> bool:
    """Kill the container with its supervisor, if it is silent. BlockingIOError if somebody is at it.

    Whether that was done: what the two had in their networks is left for the caller to remove.
    """
    with claimed(paths.container(container.id)):
        told = _living(paths, container.id)
        if told is None:
            return False
        await _bury(paths, launcher, container, told.supervisor)
    return True


def was_killed(paths: Paths, container_id: str) -> bool:
    """Whether the facts of a dead container without a run folder end in the middle, since the last boot.

    Its bundle is gone: what it held has to be found by its name. One whose end is told held nothing any more.
    """
    told = _read(paths.container_state(container_id))
    return told is not None and told.status in _LIVES and told.started_at > boot_time()


async def bury(paths: Paths, launcher: Launcher, container: Container) -> None:
    """Kill what is left of a container that ``was_killed``, and complete its facts, in its claim."""
    await _bury(paths, launcher, container, (0, 0))


async def _bury(paths: Paths, launcher: Launcher, container: Container, supervisor: tuple[int, int]) -> None:
    from engine.runtime.cgroups import cgroup_plan, read_host

    resources = container.options.resources
    plan = cgroup_plan(read_host(resources), container.id, resources, privileged=True)
    arguments = {
        "supervisor": supervisor,
        "groups": plan.members,
        "state_path": paths.container_state(container.id),
    }
    await launcher.work("engine.shim.reap:end", arguments)


def _living(paths: Paths, container_id: str) -> _Told | None:
    """What is told of a container that lives and has no lock to be found by."""
    told = _read(paths.container_state(container_id))
    if told is None or told.status not in _LIVES or os.path.exists(paths.container_lock(container_id)):
        return None
    if told.pid and not _lives(told.pid, told.pid_start_time):
        return None  # it has ended; its supervisor could only not say so
    return told if _lives(*told.supervisor, ended=False) else None


async def _answer(paths: Paths, container_id: str, supervisor: int) -> bool | None:
    deadline = time.monotonic() + _SECONDS
    while not select.select([supervisor], [], [], 0)[0]:
        if lock_holder(paths.container_lock(container_id)) and os.path.exists(
            paths.container_socket(container_id)
        ):
            return True
        if time.monotonic() > deadline:
            return None
        await loop.begin()
        import asyncio

        await asyncio.sleep(_STEP)
    return False


def _lives(pid: int, start_time: int, *, ended: bool = True) -> bool:
    """Whether there is this process; ``ended``: also one that was not waited for yet."""
    descriptor = _opened(pid, start_time)
    if descriptor is None:
        return False
    try:
        return ended or not select.select([descriptor], [], [], 0)[0]
    finally:
        os.close(descriptor)


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
