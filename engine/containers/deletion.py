"""Owns taking a container away: its folder, its record, its leases, its anonymous volumes.

The folder is renamed into staging first: what a crash leaves there is swept by the next engine. Refuses to
look whether it may be taken away: that is its callers' question.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.errors import Conflict, NotFound, StoreFailure
from engine.store.locks import staging

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.records import Container

_REMOVE = "engine.layer.tree:remove"


async def delete_container(
    parts: Parts, container: Container, *, volumes: bool | None = None, announce: bool = True
) -> int:
    """Remove the container; ``volumes`` (default: as for --rm) removes its anonymous ones. Bytes freed."""
    if os.path.lexists(parts.paths.container(container.id)):
        deleted, freed = await _delete_folder(parts, container)
    elif os.path.isdir(run := parts.paths.container_run(container.id)):
        deleted = parts.records.delete(container.id)
        freed = await parts.launcher.work(_REMOVE, {"paths": [run]})
    else:  # its supervisor has removed it: what is left is the record, and needs no worker
        deleted, freed = parts.records.delete(container.id), 0
    if deleted and announce:
        parts.announce("destroy", container)
    if container.options.auto_remove if volumes is None else volumes:
        freed += await delete_anonymous_volumes(parts, container)
    return int(freed)


async def _delete_folder(parts: Parts, container: Container) -> tuple[bool, int]:
    """Whether the record was still there, and the bytes freed."""
    paths = parts.paths
    with staging(paths) as folder:
        with suppress(FileNotFoundError):  # somebody else is faster
            os.rename(paths.container(container.id), f"{folder}/container")
        run = paths.container_run(container.id)
        doomed = {"paths": [folder, run] if os.path.isdir(run) else [folder]}
        try:
            deleted = parts.records.delete(container.id)
        except StoreFailure:
            # On a full disk: what has to go anyway goes first, which makes room for the record's end.
            freed = await parts.launcher.work(_REMOVE, doomed)
            deleted = parts.records.delete(container.id)
        else:
            freed = await parts.launcher.work(_REMOVE, doomed)
    return deleted, int(freed)


async def delete_anonymous_volumes(parts: Parts, container: Container) -> int:
    """Remove the volumes that were made for this container alone; returns the bytes freed."""
    freed = 0
    for mount in container.mounts:
        if mount.type == "volume" and mount.anonymous:
            try:
                freed += await delete_volume(parts, mount.name)
            except (Conflict, NotFound):
                continue  # another container uses it by its name, or it is gone
    return freed


async def delete_volume(parts: Parts, name: str, *, force: bool = False) -> int:
    """Remove a volume that no container uses; returns the bytes freed."""
    data = os.path.dirname(parts.paths.volume(name))
    with staging(parts.paths) as folder:

        def take_away() -> None:
            with suppress(FileNotFoundError):  # recorded, but never used
                os.rename(data, f"{folder}/volume")

        if parts.volumes.delete(name, take_away, force=force):
            parts.announce_volume("destroy", name)
        return int(await parts.launcher.work(_REMOVE, {"paths": [folder]}))
