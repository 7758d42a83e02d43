"""Owns which containers start with the machine, in which order; refuses to start them.

Source: moby daemon/daemon.go (restore). One that was only created, or has no policy, is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.containers.folding import seen
from engine.runtime.namespaces import KINDS, peer_of
from engine.runtime.supervision import starts_by_itself

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.containers.parts import Parts
    from engine.records import Container


async def due(parts: Parts) -> tuple[tuple[Container, ...], ...]:
    """What should run and does not, oldest first, in groups: each needs what is in those before it."""
    stopped = parts.records.stopped_by_user()
    rows = [await seen(parts, row) for row in parts.records.list()]
    wanted = [
        row.container
        for row in reversed(rows)
        if row is not None
        and row.container.state.status == "exited"
        and starts_by_itself(
            row.container.options.restart, row.container.state, stopped_by_user=row.container.id in stopped
        )
    ]
    return groups(wanted)


def groups(containers: Iterable[Container]) -> tuple[tuple[Container, ...], ...]:
    """``containers`` in groups, so that who shares a namespace comes after whose it is."""
    found: list[tuple[Container, ...]] = []
    waiting = list(containers)
    while waiting:
        names = {name for container in waiting for name in (container.id, container.name)}
        free = tuple(one for one in waiting if not any(peer in names for peer in _peers(one)))
        free = free or tuple(waiting)  # a circle, which no start can undo
        found.append(free)
        waiting = [container for container in waiting if container not in free]
    return tuple(found)


def _peers(container: Container) -> list[str]:
    return [
        reference
        for field in (*KINDS, "network")
        if (reference := peer_of(getattr(container.options, field)))
    ]
