"""Owns ``rm``: whether a container may go, and who wins when others start or remove it at the same time.

Source: moby daemon/delete.go. What goes with a container is ``deletion``'s.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.containers import stopping
from engine.containers.deletion import delete_container
from engine.containers.folding import current
from engine.containers.supervision import settle
from engine.errors import Conflict, NotFound
from engine.runtime.claim import claimed, until_claimable
from engine.shim.lock import lock_holder

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.options import RemoveContainerOptions
    from engine.records import Container

_CLAIM_SECONDS = 10.0
_SECONDS = 30.0


async def remove(parts: Parts, reference: str, options: RemoveContainerOptions) -> None:
    """Remove the container; a running one only with ``force``, which kills it."""
    container, end = (await current(parts, reference)).container, time.monotonic() + _SECONDS
    volumes = options.volumes or container.options.auto_remove
    while True:
        if container.state.running:
            if not options.force:
                raise _running(container)
            await stopping.force_end(parts, container)
        try:
            await remove_stopped(parts, container, volumes=volumes)
        except BlockingIOError as error:  # somebody starts or removes it: what comes of that decides
            if time.monotonic() > end:
                reason = f"container {container.name} is being started or removed by another process"
                raise Conflict("container", container.name, reason) from error
            container = await _unless_removed(parts, container)
        else:
            return


async def remove_stopped(parts: Parts, container: Container, *, volumes: bool) -> int:
    """Remove a container that does not run; bytes freed. BlockingIOError if it is being started."""
    await settle(parts, container)
    folder = parts.paths.container(container.id)
    await until_claimable(folder, _CLAIM_SECONDS)
    try:
        with claimed(folder):
            if lock_holder(parts.paths.container_lock(container.id)):
                raise BlockingIOError  # started meanwhile
            return await delete_container(parts, container, volumes=volumes)
    except FileNotFoundError:  # it was --rm, or somebody else was faster: what is left is the record
        return await delete_container(parts, container, volumes=volumes)


async def _unless_removed(parts: Parts, container: Container) -> Container:
    try:
        return (await current(parts, container.id)).container
    except NotFound as error:
        reason = f"removal of container {container.name} is already in progress"
        raise Conflict("container", container.name, reason) from error


def _running(container: Container) -> Conflict:
    state = container.state.status
    advice = "unpause and then stop" if state == "paused" else "stop"
    return Conflict(
        "container",
        container.name,
        f'cannot remove container "/{container.name}": container is {state}: '
        f"{advice} the container before removing or force remove",
        remedy=f"tuidock stop {container.name}, or tuidock rm -f {container.name}",
    )
