"""Owns the verbs on containers: one coroutine a verb; refuses images, networks and volumes of their own."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from engine import loop
from engine.containers.folding import current, seen
from engine.containers.parts import Parts
from engine.containers.supervision import ask, restarting
from engine.errors import Conflict, InvalidInput, NotFound, SupervisorTooOld
from engine.events import ignore_progress
from engine.records import Pruned
from engine.store.container_records import RUNNING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from engine.events import Progress
    from engine.options import (
        AttachOptions,
        CommitOptions,
        ContainerFilter,
        CopyFromOptions,
        CopyToOptions,
        CreateOptions,
        EndpointOptions,
        ExecOptions,
        LogOptions,
        PruneOptions,
        RemoveContainerOptions,
        StatsOptions,
        UpdateOptions,
    )
    from engine.paths import Paths
    from engine.records import (
        Change,
        Container,
        ContainerStats,
        Endpoint,
        Execution,
        Image,
        LogChunk,
        ProcessTable,
    )
    from engine.runtime.attachment import Attachments
    from engine.runtime.launcher import Launcher
    from engine.runtime.session import Session
    from engine.store.database import Database
    from engine.store.journal import Journal

_EVERY_STATUS = ("status", "exited")


class Containers:
    """The containers of one root; ``networks`` is asked for the networks when a container needs one."""

    def __init__(
        self,
        paths: Paths,
        database: Database,
        launcher: Launcher,
        journal: Journal,
        networks: Callable[[], Attachments],
    ) -> None:
        self._paths = paths
        self._parts = Parts(paths, database, launcher, journal, networks)

    # -- looking ---------------------------------------------------------------------------------
    async def list(self, wanted: ContainerFilter) -> tuple[Container, ...]:
        """The containers that fit, newest first; without ``all`` only those that run."""
        from engine.runtime.filters import check_filters, select

        check_filters(wanted.filters)
        rows = [await seen(self._parts, row) for row in self._parts.records.list()]
        containers = [row.container for row in rows if row is not None]
        found = select(containers, wanted.filters, self._ancestors(wanted.filters.get("ancestor", ())))
        every = wanted.all or wanted.limit is not None or any(key in wanted.filters for key in _EVERY_STATUS)
        if not every:
            found = tuple(container for container in found if container.state.running)
        return found if wanted.limit is None or wanted.limit < 0 else found[: wanted.limit]

    async def get(self, reference: str) -> Container:
        """The container of a name, an id or a unique prefix of an id, as it is now."""
        return (await current(self._parts, reference)).container

    async def inspect(self, reference: str) -> dict[str, Any]:
        """The container in the shape of Docker's API."""
        from engine.runtime.inspection import inspect_container

        container = await self.get(reference)
        sessions = await self.executions(container.id)
        running = [session.id for session in sessions if session.exit_code is None]
        return {**inspect_container(self._paths, container), "ExecIDs": running or None}

    async def logs(self, reference: str, options: LogOptions) -> AsyncIterator[LogChunk]:
        """What the container wrote, in whole lines; with ``follow`` until it ends."""
        from engine.runtime.liveness import open_supervisor
        from engine.runtime.log_config import NONE, log_driver
        from engine.runtime.logs import read_log

        container = await self.get(reference)
        if log_driver(container.options) == NONE:
            raise InvalidInput("", "configured logging driver does not support reading")
        await loop.begin()
        lock = self._paths.container_lock(container.id)
        # The supervisor is opened first: what is written after that is either seen or waited for.
        supervisor = open_supervisor(lock) if options.follow else None
        log = self._paths.container_log(container.id), self._paths.container_log_index(container.id)
        async for chunk in read_log(*log, options, lock, supervisor):
            yield chunk

    async def top(self, reference: str, arguments: tuple[str, ...] = ()) -> ProcessTable:
        """The container's processes as ps(1) shows them with ``arguments``; without them as ``ps -ef``."""
        from engine.runtime.cgroups.usage import read_members
        from engine.runtime.top import pids_of, process_table

        container = await self.get(reference)
        if not container.state.running:
            reason = f"container {container.id} is not running"
            raise Conflict("container", container.name, reason, remedy=f"tuidock start {container.name}")
        if container.state.status == "restarting":
            raise restarting(container)
        self._parts.announce("top", container)
        return await process_table(
            pids_of(read_members(self._paths.container_bundle(container.id))), arguments
        )

    async def stats(self, wanted: StatsOptions) -> AsyncIterator[tuple[ContainerStats, ...]]:
        """What containers use: one tuple at once, and with ``stream`` another one every interval."""
        from engine.containers.statistics import stats

        async for found in stats(self._parts, wanted):
            yield found

    async def update(self, reference: str, wanted: UpdateOptions) -> tuple[str, ...]:
        """Change the container's limits, of a running one at once; warnings of what cannot be given."""
        from engine.containers.limits import update

        return await update(self._parts, reference, wanted)

    # -- lives -----------------------------------------------------------------------------------
    async def create(self, options: CreateOptions, progress: Progress = ignore_progress) -> Container:
        """A new container in the state created; nothing is left of it if this raises."""
        from engine.containers import creation

        return await creation.create(self._parts, options, progress)

    async def start(self, reference: str, progress: Progress = ignore_progress) -> None:
        """Start the container; one that runs is left alone."""
        from engine.containers import running

        await running.start(self._parts, reference, running.Wanted(progress=progress))

    async def start_attached(
        self,
        reference: str,
        options: AttachOptions,
        size: tuple[int, int] | None = None,
        progress: Progress = ignore_progress,
    ) -> Session:
        """Start the container with a session that sees its first byte; one that runs is attached to."""
        from engine.containers import running

        wanted = running.Wanted(options=options, size=size, progress=progress)
        session = await running.start(self._parts, reference, wanted)
        if session is None:
            raise TypeError("an attached start gives a session")
        return session

    async def attach(self, reference: str, options: AttachOptions) -> Session:
        """A session on the running container's main process."""
        from engine.containers import joining

        return await joining.attach(self._parts, reference, options)

    async def executions(self, reference: str) -> tuple[Execution, ...]:
        """The container's exec sessions: those that run, and the last that have ended."""
        from engine.containers import joining

        return await joining.executions(self._parts, reference)

    async def attach_execution(self, reference: str, exec_id: str, options: AttachOptions) -> Session:
        """A session on an exec session, by a unique prefix of its id; any number of clients may have one."""
        from engine.containers import joining

        return await joining.attach_execution(self._parts, reference, exec_id, options)

    async def exec(self, reference: str, options: ExecOptions) -> Session | None:
        """One more process in the running container; None if it is detached."""
        from engine.containers import joining

        return await joining.execute(self._parts, reference, options)

    async def resize(self, reference: str, rows: int, cols: int) -> None:
        """Tell the container's terminal its size."""
        container = await self.get(reference)
        await ask(self._parts, container, {"op": "resize", "size": [rows, cols]})

    async def stop(self, reference: str, timeout: int | None = None, signal: str | None = None) -> None:  # noqa: ASYNC109 - Docker's word
        """Ask the container to end and kill it after ``timeout`` seconds; it has ended when this returns."""
        from engine.containers import stopping

        await stopping.stop(self._parts, reference, timeout, signal)

    async def due(self) -> tuple[tuple[Container, ...], ...]:
        """What should run and does not, by restart policies; each group needs what is in those before it."""
        from engine.containers import boot

        return await boot.due(self._parts)

    async def shut_down(self, reference: str, timeout: int | None = None) -> None:  # noqa: ASYNC109 - as above
        """Stop the container because the machine goes down: it is ``due`` after that."""
        from engine.containers import stopping

        await stopping.stop(self._parts, reference, timeout, None, by_user=False)

    async def kill(self, reference: str, signal: str = "KILL") -> None:
        """Send a signal to the container's main process."""
        from engine.containers import stopping

        await stopping.kill(self._parts, reference, signal)

    async def restart(
        self,
        reference: str,
        timeout: int | None = None,  # noqa: ASYNC109 - as above
        signal: str | None = None,
    ) -> None:
        """Stop the container if it runs, with ``signal`` in place of its own, then start it."""
        from engine.containers import running, stopping

        container = await self.get(reference)
        if container.state.running and container.options.auto_remove:
            await ask(self._parts, container, {"op": "keep"})
        await stopping.stop(self._parts, container.id, timeout, signal)
        await running.start(self._parts, container.id, running.Wanted())
        self._parts.announce("restart", container)

    async def connect(self, reference: str, wish: EndpointOptions) -> None:
        """Let the container be in the network of ``wish`` too, at once if it runs."""
        from engine.containers import networking

        await networking.connect(self._parts, reference, wish)

    async def disconnect(self, reference: str, network: str, *, force: bool = False) -> None:
        """Let the container be in ``network`` no more, at once if it runs."""
        from engine.containers import networking

        await networking.disconnect(self._parts, reference, network, force=force)

    async def pause(self, reference: str) -> None:
        """Freeze all processes of the container."""
        from engine.containers import stopping

        await stopping.pause(self._parts, reference, frozen=True)

    async def unpause(self, reference: str) -> None:
        """Thaw all processes of the container."""
        from engine.containers import stopping

        await stopping.pause(self._parts, reference, frozen=False)

    async def wait(self, reference: str, condition: str = "") -> int:
        """The exit code, once the container does not run, or ``condition`` (next-exit, removed) holds."""
        from engine.containers import waiting

        return await waiting.wait(self._parts, reference, condition)

    # -- names and ends --------------------------------------------------------------------------
    async def rename(self, reference: str, name: str) -> None:
        """Give the container another name."""
        from engine.containers import creation
        from engine.runtime.naming import check_name

        if not name:
            raise InvalidInput("", "Neither old nor new names may be empty")
        container, new = await self.get(reference), check_name(name)
        if new == container.name:
            raise InvalidInput("", "Renaming a container with the same name as its current name")
        await creation.require_free(self._parts, new)
        self._parts.records.rename(container.id, new)
        if container.state.running:
            with suppress(Conflict, SupervisorTooOld):  # it has ended meanwhile, or calls it as before
                await ask(self._parts, container, {"op": "rename", "name": new})
                self._parts.records.set_ends(container.id, _called(container, new))
        renamed = msgspec.structs.replace(container, name=new)
        self._parts.announce("rename", renamed, oldName=f"/{container.name}")

    async def remove(self, reference: str, options: RemoveContainerOptions) -> None:
        """Remove the container; a running one only with ``force``, which kills it."""
        if not reference:
            raise InvalidInput("", "container name cannot be empty")
        from engine.containers import removal

        await removal.remove(self._parts, reference, options)

    async def prune(self, options: PruneOptions) -> Pruned:
        """Remove all containers that do not run and fit the filters (until, label)."""
        from engine.containers import removal
        from engine.runtime.filters import check_prune_filters, is_pruned

        check_prune_filters(options.filters)
        removed, reclaimed, now = [], 0, time.time_ns()
        for row in self._parts.records.list():
            fresh = await seen(self._parts, row)
            if fresh is None or fresh.container.state.running or fresh.desired == RUNNING:
                continue  # the last: it has ended, and what it held could not be given back
            if is_pruned(fresh.container, options.filters, now):
                try:
                    reclaimed += await removal.remove_stopped(self._parts, fresh.container, volumes=False)
                except (BlockingIOError, Conflict):
                    continue  # somebody starts it, or removes it
                removed.append(fresh.container.id)
        return Pruned(removed=tuple(removed), reclaimed=reclaimed)

    # -- what it is made into --------------------------------------------------------------------
    async def commit(self, reference: str, options: CommitOptions) -> Image:
        """A new image of what the container's tree is now."""
        from engine.containers import snapshots

        return await snapshots.commit(self._parts, reference, options)

    async def export(self, reference: str, fd: int | None, path: str | None = None) -> None:
        """Write the container's tree as one tar to a descriptor, or a file that appears when complete."""
        from engine.containers import snapshots
        from engine.store.outgoing import output

        container = await self.get(reference)
        with output(path, fd) as descriptor:
            await snapshots.export(self._parts, container.id, descriptor)

    async def copy_from(
        self, reference: str, options: CopyFromOptions, progress: Progress = ignore_progress
    ) -> int:
        """Copy a path of the container, running or not, to the host; the bytes of the archive that did it."""
        from engine.containers import copying

        return await copying.copy_from(self._parts, reference, options, progress)

    async def copy_to(
        self, reference: str, options: CopyToOptions, progress: Progress = ignore_progress
    ) -> int:
        """Copy files of the host, or a tar, into the container, running or not; the bytes of the archive."""
        from engine.containers import copying

        return await copying.copy_to(self._parts, reference, options, progress)

    async def diff(self, reference: str) -> tuple[Change, ...]:
        """What the container's tree has that its image has not, and the other way round, by path."""
        from engine.containers import snapshots

        return await snapshots.diff(self._parts, reference)

    def _ancestors(self, references: tuple[str, ...]) -> frozenset[str]:
        found: set[str] = set()
        for reference in references:
            try:
                image = self._parts.images.resolve(reference)
            except (NotFound, InvalidInput):
                continue  # as Docker: no such image, no such containers
            found.add(image.id)
            if image.chain_ids:
                found |= self._parts.records.images_with_layer(image.chain_ids[-1])
        return frozenset(found)


def _called(container: Container, name: str) -> tuple[Endpoint, ...]:
    """The ends of a container that is called ``name`` from now on."""
    return tuple(
        msgspec.structs.replace(
            end, names=tuple(name if known == container.name else known for known in end.names)
        )
        for end in container.endpoints
    )
