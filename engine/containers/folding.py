"""Owns the truth about one container: the record's intent joined with its supervisor's facts.

A container whose record says running and whose supervisor's lock is free has ended: whoever sees that first
cleans up after it and folds the facts into the record. Refuses to change a container that lives.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from engine import loop
from engine.containers.deletion import delete_container
from engine.errors import EngineError, NetworkFailure, NotFound
from engine.records import ContainerState
from engine.runtime.claim import claimed
from engine.runtime.facts import LOST, boot_time, final_state, read_facts, read_state
from engine.store.container_records import CREATED, RUNNING, STOPPED

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.records import Container
    from engine.store.container_records import Row

_SECONDS = 1.0


async def current(parts: Parts, reference: str) -> Row:
    """The container that ``reference`` means, with its facts of now; NotFound if there is none any more."""
    row = await refreshed(parts, parts.records.resolve(reference))
    if row is None:
        raise NotFound("container", reference, remedy="tuidock ps -a lists them all")
    return row


async def refreshed(parts: Parts, row: Row) -> Row | None:
    """``row`` with its facts of now; None if the container has been, or is to be, removed."""
    if row.desired != RUNNING:
        return row
    facts = read_facts(parts.paths, row.container.id)
    if not facts.alive:
        return await _fold(parts, row)
    if facts.state is None:
        state = await _asked(parts, row.container.id)
        return row if state is None else with_state(row, state)
    if facts.state.status == "exited" and row.container.options.auto_remove:
        return None  # its supervisor is removing it
    return with_state(row, facts.state)


async def _asked(parts: Parts, container_id: str) -> ContainerState | None:
    """What the supervisor says, as no facts can be read; None if it ends, or starts slowly."""
    await loop.begin()
    import asyncio

    from engine.runtime.dialing import request  # damage is rare

    try:
        async with asyncio.timeout(_SECONDS):
            told = await request(parts.paths.container_socket(container_id), {"op": "status"})
    except OSError:
        return None
    known = {name: told[name] for name in ("status", "pid", "pid_start_time", "started_at")}
    return msgspec.convert(known, ContainerState)


async def seen(parts: Parts, row: Row) -> Row | None:
    """As ``refreshed``, for a list: a container whose end cannot be recorded now is as it was last known."""
    try:
        return await refreshed(parts, row)
    except (EngineError, OSError):
        state = read_state(parts.paths.container_state(row.container.id))
        return row if state is None else with_state(row, state)


def with_state(row: Row, state: ContainerState) -> Row:
    """``row`` with other facts."""
    return msgspec.structs.replace(row, container=msgspec.structs.replace(row.container, state=state))


async def _fold(parts: Parts, row: Row) -> Row | None:
    container_id = row.container.id
    try:
        with claimed(parts.paths.container(container_id)):
            return await _fold_claimed(parts, container_id)
    except FileNotFoundError:
        # Its supervisor has removed it: the record, its leases and its anonymous volumes are what is left.
        await delete_container(parts, row.container, announce=False)
        return None
    except BlockingIOError:
        # Somebody is at it: what there is to say is in the facts, or it has not begun.
        state = read_facts(parts.paths, container_id).state
        return row if state is None else with_state(row, state)


async def _fold_claimed(parts: Parts, container_id: str) -> Row | None:
    row = parts.records.get(container_id)
    if row is None or row.desired != RUNNING:
        return row
    facts = read_facts(parts.paths, container_id)
    if not facts.alive and not os.path.exists(parts.paths.container_lock(container_id)):
        from engine.runtime.orphans import reclaimed  # whose run folder is gone

        found = await reclaimed(parts.paths, row.container)
        if found is not False:
            facts = read_facts(parts.paths, container_id)
            facts = msgspec.structs.replace(facts, alive=True) if found is None else facts
    if facts.alive:
        return row if facts.state is None else with_state(row, facts.state)
    if os.path.exists(parts.paths.container_bundle(container_id)):
        # Its supervisor was killed, or the start was: what it held is given back, its facts completed.
        await parts.launcher.work(
            "engine.shim.reap:reap", {"run_dir": parts.paths.container_run(container_id)}
        )
        facts = read_facts(parts.paths, container_id)
    elif facts.state is None or facts.state.status != "exited":
        await _bury(parts, row.container)
        facts = read_facts(parts.paths, container_id)
        if row.container.options.auto_remove and facts.state is not None:
            await delete_container(parts, row.container)
            return None
    if not os.path.isdir(parts.paths.container(container_id)):
        await delete_container(parts, row.container, announce=False)  # it was --rm, and has been reaped
        return None
    # One with --rm whose folder is there was kept by its supervisor, because it is being restarted.
    state = final_state(facts, row.container.state, time.time_ns(), boot_time())
    parts.records.fold(container_id, state, CREATED if state.status == "created" else STOPPED)
    return parts.records.get(container_id)


async def _bury(parts: Parts, container: Container) -> None:
    """It has no run folder and no told end: what a killed supervisor held is found by its name."""
    from engine.runtime import orphans  # that is rare

    state = read_state(parts.paths.container_state(container.id))
    if orphans.was_killed(parts.paths, container.id):
        await orphans.bury(parts.paths, parts.launcher, container)
        if state is not None and state.status != "restarting":  # else it had told the end of its last run
            parts.announce("die", container, exitCode=str(LOST))
    elif state is not None:
        return  # the machine was restarted: it held nothing after that
    with suppress(NetworkFailure):  # its next start removes it, or says why not
        await parts.networks.clear(container.id)
