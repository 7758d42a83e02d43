"""Owns ``cp``: which container, seen how, and one copy at a time into a stopped one.

Refuses to touch files: a worker does. A stopped container is claimed while something is copied into it, so
that nobody starts or removes it meanwhile; to look at it, it is mounted beside.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import msgspec

from engine import loop
from engine.containers.creation import make_folders
from engine.containers.folding import current
from engine.containers.supervision import settle
from engine.errors import Conflict, InvalidInput, NotFound
from engine.events import LayerProgress
from engine.runtime.bundle import engine_files
from engine.runtime.claim import claimed, until_claimable
from engine.runtime.mounts import Mount, user_mount
from engine.store.locks import staging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.containers.parts import Parts
    from engine.events import Progress
    from engine.options import CopyFromOptions, CopyToOptions
    from engine.records import Container
    from engine.store.container_records import Row

_CLAIM_SECONDS = 10.0
_STEP = 0.01


async def copy_from(parts: Parts, reference: str, options: CopyFromOptions, progress: Progress) -> int:
    """Copy ``options.path`` of the container out; the bytes of the archive."""
    if not options.path:
        raise InvalidInput("", "bad parameter: path cannot be empty")
    row = await _settled(parts, reference)
    with staging(parts.paths) as scratch:
        arguments = {
            "view": _view(parts, row, scratch),
            "name": reference,
            "path": _encoded(options.path),
            "target": _encoded(options.target or ""),
            "follow_link": options.follow_link,
            "archive": options.archive,
        }
        fds = () if options.fd is None else (options.fd,)
        size = await _work(parts, "engine.runtime.copying:copy_from", arguments, fds, progress)
        os.rmdir(scratch)
    parts.announce("archive-path", row.container)
    return size


async def copy_to(parts: Parts, reference: str, options: CopyToOptions, progress: Progress) -> int:
    """Copy into ``options.path`` of the container; the bytes of the archive."""
    row = await _settled(parts, reference)
    _refuse_between_runs(row.container)
    async with nullcontext(row) if row.container.state.pid else _held(parts, row, reference) as row:
        container = row.container
        arguments = {
            "view": _view(parts, row, ""),
            "name": reference,
            "path": _encoded(options.path),
            "source": _encoded(options.source or ""),
            "follow_link": options.follow_link,
            "mounts": [{"target": point.target, "read_only": point.read_only} for point in container.mounts],
            "read_only": container.options.read_only,
        }
        fds = () if options.fd is None else (options.fd,)
        size = await _work(parts, "engine.runtime.copying:copy_to", arguments, fds, progress)
    parts.announce("extract-to-dir", row.container)
    return size


async def _work(
    parts: Parts, call: str, arguments: dict[str, Any], fds: tuple[int, ...], progress: Progress
) -> int:
    def on_report(told: Any) -> None:
        progress(LayerProgress(layer="", phase="copy", done=told["done"]))

    return int((await parts.launcher.work(call, arguments, fds, on_report))["size"])


async def _settled(parts: Parts, reference: str) -> Row:
    """The container, when it neither starts nor ends; its folders are there."""
    row = await current(parts, reference)
    await settle(parts, row.container)
    row = await current(parts, row.container.id)
    if not os.path.isdir(parts.paths.container(row.container.id)):
        await make_folders(parts, row.container, _lower(parts, row))
    return row


@asynccontextmanager
async def _held(parts: Parts, row: Row, reference: str) -> AsyncIterator[Row]:
    """The stopped container ``row``, which nobody starts meanwhile; if somebody has, as it is then."""
    folder = parts.paths.container(row.container.id)
    await until_claimable(folder, _CLAIM_SECONDS)
    with ExitStack() as claim:
        try:
            claim.enter_context(claimed(folder))
        except BlockingIOError as error:
            reason = f"container {row.container.name} is being started or removed by another process"
            raise Conflict("container", row.container.name, reason) from error
        except FileNotFoundError as error:
            raise NotFound("container", reference) from error
        row = await current(parts, row.container.id)
        if not row.container.state.running:
            yield row
            return
    yield await _started(parts, row)


async def _started(parts: Parts, row: Row) -> Row:
    """The container that somebody else starts, once it has a process."""
    while not row.container.state.pid:
        if not row.container.state.running:
            reason, remedy = "the container has ended meanwhile", "try again"
            raise Conflict("container", row.container.name, reason, remedy=remedy)
        _refuse_between_runs(row.container)
        await loop.begin()
        import asyncio

        await asyncio.sleep(_STEP)
        row = await current(parts, row.container.id)
    return row


def _refuse_between_runs(container: Container) -> None:
    """Its supervisor may mount its files at any moment: two mounts that write are one too many."""
    if container.state.status == "restarting":
        reason = f"Container {container.id} is restarting, nothing can be copied into it between two runs"
        remedy = f"tuidock stop {container.name}, copy, then tuidock start {container.name}"
        raise Conflict("container", container.name, reason, remedy=remedy)


def _view(parts: Parts, row: Row, scratch: str) -> dict[str, Any]:
    """How a worker is to see the container: see ``engine.runtime.container_view.open_container``."""
    container = row.container
    if container.state.running and container.state.pid:
        state = container.state
        return {"pid": state.pid, "start_time": state.pid_start_time, "name": container.name}
    paths = parts.paths
    rootfs = {
        "lower": [paths.container_init_layer(container.id), *_lower(parts, row)],
        "upper": paths.container_upper(container.id),
        "work": paths.container_work(container.id),
        "volatile": False,
    }
    mounts = [msgspec.to_builtins(mount) for mount in _mounts(parts, container)]
    return {"rootfs": rootfs, "mounts": mounts, "scratch": scratch}


def _mounts(parts: Parts, container: Container) -> list[Mount]:
    """Its binds and volumes, parents first; memory of its own it has none while it does not run."""
    points = [point for point in container.mounts if point.type != "tmpfs"]
    taken = {point.target for point in points}
    files = [
        Mount("bind", source, target, ("bind", "rprivate"))
        for target, source in engine_files(parts.paths, container.id).items()
        if target not in taken and os.path.exists(source)
    ]
    return [*files, *sorted(map(user_mount, points), key=lambda mount: mount.target.count("/"))]


def _lower(parts: Parts, row: Row) -> tuple[str, ...]:
    return tuple(parts.paths.layer(chain_id) for chain_id, _ in parts.records.chain(row.chain_id))


def _encoded(path: str) -> str:
    """``path`` as JSON can carry it whatever its bytes: one character a byte."""
    return os.fsencode(path).decode("latin-1")
