"""Owns what is known of one root's containers at one instant: who lives, who is dead, who is on the way.

Read from records, locks, facts and the journal, without folding or changing any. Whoever is being started,
ended or removed just now is judged by nobody.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from engine.options import EventFilter
from engine.runtime.claim import claimed
from engine.runtime.facts import boot_time, read_facts
from engine.shim.lock import lock_holder
from engine.store.container_records import RUNNING, Row

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.paths import Paths
    from engine.runtime.facts import Facts

_ALIVE = frozenset({"running", "paused"})


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """A container that runs; ``network`` is the bundle's object of that name, or empty."""

    row: Row
    pid: int
    start_time: int
    supervisor: int
    network: dict[str, Any]

    @property
    def id(self) -> str:
        """The container's."""
        return self.row.container.id

    @property
    def name(self) -> str:
        """The container's."""
        return self.row.container.name


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """``live`` by id; ``dead`` are ids of containers of this root, some of which have no record any more."""

    live: dict[str, Live]
    dead: frozenset[str]
    busy: frozenset[str]
    """Neither: just now somebody is at it, or it rests between two runs, or is in another namespace."""
    killed: tuple[Row, ...]
    """Recorded as running, and dead without a told end."""
    ended: frozenset[str]
    """Of ``dead``: recorded as running, and ended by themselves: the next list takes that in."""
    networks: frozenset[str]
    """Ids of networks of this root that have no record any more, as far as the journal tells."""


async def read_known(parts: Parts) -> Known:
    """The containers of this root, now."""
    live: dict[str, Live] = {}
    dead, busy, ended, killed = set(), set(), set(), []
    past, networks = await _past(parts)
    for row in parts.records.list():
        container_id = row.container.id
        past.discard(container_id)
        facts = read_facts(parts.paths, container_id)
        if _is_claimed(parts.paths.container(container_id)):
            busy.add(container_id)
        elif facts.alive:
            found = _living(parts.paths, row, facts)
            if found is None:
                busy.add(container_id)
            else:
                live[container_id] = found
        elif row.desired == RUNNING and _was_killed(parts.paths, row, facts):
            killed.append(row)
            busy.add(container_id)  # what it held goes with it, and is no finding of its own
        else:
            dead.add(container_id)
            if row.desired == RUNNING:
                ended.add(container_id)
    return Known(
        live=live,
        dead=frozenset(dead | past),
        busy=frozenset(busy),
        killed=tuple(killed),
        ended=frozenset(ended),
        networks=frozenset(networks),
    )


def is_here(pid: int) -> bool:
    """Whether the process is in our network namespace: what is in another cannot be seen from here."""
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/ns/net"), os.stat("/proc/self/ns/net"))
    except OSError:
        return False


def _living(paths: Paths, row: Row, facts: Facts) -> Live | None:
    supervisor = lock_holder(paths.container_lock(row.container.id))
    state = facts.state
    if state is None or state.status not in _ALIVE or not is_here(supervisor):
        return None
    try:
        with open(paths.container_bundle(row.container.id), "rb") as file:
            bundle = msgspec.json.decode(file.read())
    except (OSError, msgspec.DecodeError):
        return None  # it has just ended
    return Live(
        row=row,
        pid=state.pid,
        start_time=state.pid_start_time,
        supervisor=supervisor,
        network=bundle.get("network") or {},
    )


def _was_killed(paths: Paths, row: Row, facts: Facts) -> bool:
    """Not: its end is told, and only not yet folded into the record; it ended with the machine."""
    state = facts.state
    if state is None:
        return os.path.isdir(paths.container(row.container.id))
    told = state.status == "exited" and not os.path.exists(paths.container_bundle(row.container.id))
    return not told and state.started_at > boot_time()


def _is_claimed(folder: str) -> bool:
    try:
        with claimed(folder):
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False


async def _past(parts: Parts) -> tuple[set[str], set[str]]:
    """The ids of containers and of networks that the journal names."""
    containers, networks = set(), set()
    async for event in parts.journal.read(EventFilter(follow=False)):
        if event.type == "container":
            containers.add(event.id)
        elif event.type == "network":
            networks.add(event.id)
    return containers, networks
