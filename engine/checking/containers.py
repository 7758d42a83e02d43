"""Owns what of dead containers is still there: records, run folders, control groups; and mending it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.checking.findings import Found, found
from engine.checking.wanted import ends
from engine.containers import networking
from engine.containers.folding import refreshed
from engine.options import Resources
from engine.runtime.cgroups import read_host
from engine.runtime.claim import claimed
from engine.runtime.orphans import is_silent
from engine.shim.lock import lock_holder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from engine.checking.known import Known, Live
    from engine.containers.parts import Parts
    from engine.store.container_records import Row

_REMOVE = "engine.layer.tree:remove"


def look(parts: Parts, known: Known) -> Iterator[Found]:
    """What is left of containers that do not run."""
    for row in known.killed:
        yield _killed(parts, row)
    for live in known.live.values():
        yield from _recorded(parts, live)
    yield from _run_folders(parts, known)
    yield from _groups(parts, known)
    yield from _unrecorded(parts)


def _killed(parts: Parts, row: Row) -> Found:
    name = row.container.name
    if is_silent(parts.paths, row.container):
        return found("container", name, "its run folder is gone", lambda: refreshed(parts, row))
    return found(
        "container",
        name,
        "it is recorded as running, and its supervisor was killed",
        lambda: refreshed(parts, row),
    )


def _recorded(parts: Parts, live: Live) -> Iterator[Found]:
    """Who connects it is killed between its supervisor and its record."""
    there = ends(live)
    recorded = live.row.container.endpoints
    if live.network and {end.network for end in there} != {end.network for end in recorded}:
        names = ", ".join(end.network for end in there) or "none"
        why = f"its record does not say that its networks are: {names}"
        yield found("container", live.name, why, lambda: networking.mend(parts, live.id))


def _run_folders(parts: Parts, known: Known) -> Iterator[Found]:
    paths = parts.paths
    kept = {paths.container_run(container_id) for container_id in (*known.live, *known.busy)}
    for name in _listed(f"{paths.run}/c"):
        folder = f"{paths.run}/c/{name}"
        if folder in kept:
            continue
        holder = lock_holder(f"{folder}/lock")
        if holder:
            why = f"its supervisor {holder} runs, and there is no record of it"
            yield found("container", name, why, remedy=f"kill {holder} ends it")
        else:
            yield found("run folder", folder, "nobody runs in it", _reaping(parts, folder))


def _reaping(parts: Parts, folder: str) -> Callable[[], Awaitable[None]]:
    async def reap() -> None:
        await parts.launcher.work("engine.shim.reap:reap", {"run_dir": folder})
        if os.path.isdir(folder) and not os.path.exists(f"{folder}/lock"):
            await parts.launcher.work(_REMOVE, {"paths": [folder]})

    return reap


def _groups(parts: Parts, known: Known) -> Iterator[Found]:
    """Control groups below the parents that this root's containers have had."""
    parents = {"", *(row.container.options.resources.cgroup_parent for row in parts.records.list())}
    for folder in sorted({folder for parent in parents for folder in _parents(parent)}):
        for name in _listed(folder):
            if name in known.dead:
                group = f"{folder}/{name}"
                yield found("cgroup", group, "its container does not run", _destroying(parts, name, group))


def _destroying(parts: Parts, container_id: str, group: str) -> Callable[[], Awaitable[None]]:
    """In the container's claim, if there is one to be had: who starts it makes this very group."""

    async def destroy() -> None:
        arguments = {"supervisor": (0, 0), "groups": [group], "state_path": ""}
        try:
            with claimed(parts.paths.container(container_id)):
                if not lock_holder(parts.paths.container_lock(container_id)):
                    await parts.launcher.work("engine.shim.reap:end", arguments)
        except FileNotFoundError:
            await parts.launcher.work("engine.shim.reap:end", arguments)
        except BlockingIOError:
            pass  # it starts again

    return destroy


def _parents(parent: str) -> Iterable[str]:
    host = read_host(Resources(cgroup_parent=parent))
    folders = [f"{one.mount}/{host.parent}" for one in host.hierarchies]
    return [*folders, f"{host.root}/{host.parent}"] if host.root else folders


def _unrecorded(parts: Parts) -> Iterator[Found]:
    known = {row.container.id for row in parts.records.list()}
    for name in _listed(parts.paths.containers):
        if name not in known:
            why = "there is no record of its container"
            folder = parts.paths.container(name)
            yield found("folder", folder, why, remedy=f"take out what you need, then: rm -r {folder}")


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
