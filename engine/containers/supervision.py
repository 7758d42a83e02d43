"""Owns the engine's side of a live container: asking its supervisor, and waiting for its end.

A supervisor that is gone has a container that is gone: that is an answer, not a failure. Refuses verbs.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from engine import loop
from engine.containers.folding import refreshed
from engine.errors import Conflict, RuntimeFailure
from engine.options import EventFilter
from engine.runtime.claim import until_claimable
from engine.runtime.dialing import attached, request
from engine.runtime.facts import LOST, read_state
from engine.shim.lock import lock_holder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.containers.parts import Parts
    from engine.records import Container

GONE = (ConnectionRefusedError, FileNotFoundError, ConnectionResetError)
"""What connecting to a supervisor, or asking it, raises once it has ended."""

_CLAIM_SECONDS = 10.0
_SETTLE_SECONDS = 10.0
_STEP = 0.002


async def ask(parts: Parts, container: Container, body: dict[str, Any]) -> Any:
    """One request to the container's supervisor; Conflict if it has none any more."""
    try:
        return await request(parts.paths.container_socket(container.id), body)
    except GONE as error:
        raise not_running(container, f"container {container.id} is not running") from error


@asynccontextmanager
async def paused(parts: Parts, container: Container) -> AsyncIterator[None]:
    """The container stands still meanwhile; should this process be killed, its supervisor lets it run on."""
    try:
        held = await attached(parts.paths.container_socket(container.id), {"op": "pause", "held": True})
    except GONE as error:
        raise not_running(container, f"container {container.id} is not running") from error
    try:
        yield
    finally:
        with suppress(Conflict):  # it has ended, or somebody has unpaused it
            await ask(parts, container, {"op": "unpause"})
        held.close()


async def settle(parts: Parts, container: Container) -> None:
    """Wait for the supervisor of a container that does not run: it cleans up, or it is still starting it."""
    end = time.monotonic() + _SETTLE_SECONDS
    while not container.state.running and lock_holder(parts.paths.container_lock(container.id)):
        state = read_state(parts.paths.container_state(container.id))
        if time.monotonic() > end or (state is not None and state.status != "exited"):
            return
        await loop.begin()
        import asyncio

        await asyncio.sleep(_STEP)


async def wait_end(parts: Parts, container: Container, seconds: float | None) -> int | None:
    """The exit code when the container has ended and its end is recorded; None after ``seconds``."""
    await loop.begin()
    import asyncio

    try:
        async with asyncio.timeout(seconds):
            code = await _exit_code(parts, container)
            # What it says, or its hanging up, is not yet the end: the lock is.
            while lock_holder(parts.paths.container_lock(container.id)):  # noqa: ASYNC110 - a lock sets no Event
                await asyncio.sleep(_STEP)
    except TimeoutError:
        return None
    # Somebody else may hold the claim, folding the same facts.
    await until_claimable(parts.paths.container(container.id), _CLAIM_SECONDS)
    row = parts.records.get(container.id)
    row = None if row is None else await refreshed(parts, row)
    if code is not None:
        return code
    return await _told_exit_code(parts, container) if row is None else row.container.state.exit_code


async def _exit_code(parts: Parts, container: Container) -> int | None:
    """What the supervisor says; None if it has ended, or ends without a word."""
    try:
        session = await attached(parts.paths.container_socket(container.id), {"op": "wait"})
    except GONE:
        return None
    try:
        return await session.wait()
    except RuntimeFailure:
        return None
    finally:
        session.close()


async def _told_exit_code(parts: Parts, container: Container) -> int:
    """The exit code of a container that is gone already, with --rm: its last words are in the journal."""
    code = LOST
    wanted = EventFilter(follow=False, filters={"container": (container.id,), "event": ("die",)})
    async for event in parts.journal.read(wanted):
        code = int(event.attributes.get("exitCode", code))
    return code


def restarting(container: Container) -> Conflict:
    """The refusal of what needs a process, in the pause before the next run."""
    reason = f"Container {container.id} is restarting, wait until the container is running"
    return Conflict("container", container.name, reason)


def not_running(container: Container, reason: str) -> Conflict:
    """The refusal, for ``reason``, of what only a running container can do."""
    return Conflict("container", container.name, reason, remedy=f"tuidock start {container.name}")
