"""Owns reading what a supervisor says of its container: its state.json and its lock; refuses to write any."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from engine.records import ContainerState
from engine.shim.lock import lock_holder

if TYPE_CHECKING:
    from engine.paths import Paths

LOST = 255
"""The exit code of a container whose end nobody saw, as Docker has it."""
_RESTARTED = "the machine was restarted while it ran"
_UNRECORDED = "its end could not be recorded"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """``alive``: the supervisor holds its lock; ``state`` is None until it has written one."""

    alive: bool
    state: ContainerState | None


def read_facts(paths: Paths, container_id: str) -> Facts:
    """The facts now."""
    alive = bool(lock_holder(paths.container_lock(container_id)))
    state = read_state(paths.container_state(container_id))
    return Facts(alive=alive, state=state)


def read_state(path: str) -> ContainerState | None:
    """The content of a state.json; None if there is none, or none that can be read."""
    try:
        with open(path, "rb") as file:
            value = msgspec.json.decode(file.read(), type=dict[str, Any])
        known = {
            name: value[name] for name in ContainerState.__struct_fields__ if value.get(name) is not None
        }
        return msgspec.convert(known, ContainerState)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None


def boot_time() -> int:
    """When this machine was started, in ns since the epoch."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def final_state(facts: Facts, last: ContainerState, now: int, booted: int) -> ContainerState:
    """What is recorded of a container whose lock is free: its own facts, or what follows from their lack."""
    state = facts.state
    if state is None:
        return msgspec.structs.replace(
            last, status="created", pid=0, pid_start_time=0, error="the start was interrupted"
        )
    if state.status == "restarting":  # between two runs: the end of the last one is known
        return msgspec.structs.replace(state, status="exited", pid=0, pid_start_time=0)
    if state.status == "exited":
        return msgspec.structs.replace(state, pid=0, pid_start_time=0)
    return msgspec.structs.replace(
        state,
        status="exited",
        pid=0,
        pid_start_time=0,
        exit_code=LOST,
        error=_RESTARTED if state.started_at < booted else _UNRECORDED,
        finished_at=now,
    )
