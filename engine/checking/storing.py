"""Owns what of unfinished or interrupted work is still in the store and among the mounts; and mending it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.checking.findings import Found, found
from engine.store.garbage import collected, unrecorded, unused_layers
from engine.store.locks import collecting, lock_staging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.containers.parts import Parts
    from engine.paths import Paths

_REMOVE = "engine.layer.tree:remove"


def look(parts: Parts) -> Iterator[Found]:
    """Staging folders of the dead, trees and blobs without a record, mounts of no namespace."""
    paths = parts.paths

    async def sweep() -> None:
        with collected(paths, parts.database) as garbage:
            if garbage.folders:
                await parts.launcher.work(_REMOVE, {"paths": list(garbage.folders)})

    for folder in _dead_staging(paths):
        yield found("staging", folder, "who made it is gone", sweep)
    with collecting(paths) as alone:
        left = unrecorded(paths, parts.database) if alone else ()
        unused = unused_layers(parts.database) if alone else ()
    for path in left:
        yield found("store", path, "there is no record of it", sweep)
    for chain_id in unused:
        yield found("layer", chain_id, "no image, container or cached build step stands on it", sweep)
    for target in _mounts(paths):
        yield found("mount", target, "it belongs to no container's namespace", remedy=f"umount -l {target}")


def _dead_staging(paths: Paths) -> Iterator[str]:
    try:
        names = sorted(os.listdir(paths.staging))
    except FileNotFoundError:
        return
    for name in names:
        descriptor = lock_staging(f"{paths.staging}/{name}")
        if descriptor is not None:
            os.close(descriptor)
            yield f"{paths.staging}/{name}"


def _mounts(paths: Paths) -> list[str]:
    folders = (f"{paths.containers}/", f"{paths.staging}/", f"{paths.run}/c/")
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        targets = [line.split()[4].replace("\\040", " ") for line in file]
    return [target for target in targets if target.startswith(folders)]
