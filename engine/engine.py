"""Owns the engine's face: one object whose attributes are the facades; refuses logic of its own.

Opening is cheap: folders, one database connection, the spawner's socket. A facade is imported when it is
first asked for, so that ``ps`` does not wait for what only ``build`` needs.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Self

from engine.errors import PermissionRequired
from engine.runtime.launcher import Launcher
from engine.store import reserve
from engine.store.database import Database
from engine.store.journal import Journal
from engine.store.locks import store_failure
from engine.store.recovery import recover

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType

    from engine.builds import Builds
    from engine.containers import Containers
    from engine.events import Event
    from engine.images import Images
    from engine.jobs import Jobs
    from engine.networks import Networks
    from engine.options import EventFilter, PruneOptions
    from engine.paths import Paths
    from engine.records import DiskUsage, EngineInfo, Finding, Pruned
    from engine.registries import Registries
    from engine.volumes import Volumes


class Engine:
    """The engine on one root. Any number of them, in any number of processes, work on it at once."""

    def __init__(self, paths: Paths, database: Database, launcher: Launcher) -> None:
        self.paths = paths
        self._database = database
        self._launcher = launcher
        self._journal = Journal(paths.events)

    @classmethod
    async def open(cls, paths: Paths, spawner: int | None = None, *, at_ease: bool = True) -> Self:
        """The engine on ``paths``; ``spawner`` is that of a front end which forked one before its imports.

        Without one it is started now, so that the first container need not wait for it; or, unless
        ``at_ease``, when it is needed: a command that only looks needs none.
        """
        _make_folders(paths)
        database = Database(paths.database, paths.reserve)
        try:
            reserve.keep(paths.reserve)
            recover(paths, database)
            launcher = Launcher.open(spawner) if at_ease else Launcher(spawner)
        except BaseException:
            database.close()
            raise
        return cls(paths, database, launcher)

    async def close(self) -> None:
        """Give everything back; containers and jobs go on."""
        self._launcher.close()
        self._database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- facades ---------------------------------------------------------------------------------
    @cached_property
    def containers(self) -> Containers:
        from engine.containers import Containers

        return Containers(self.paths, self._database, self._launcher, self._journal, lambda: self.networks)

    @cached_property
    def images(self) -> Images:
        from engine.images import Images

        return Images(self.paths, self._database, self._launcher, self._journal, self._settle)

    @cached_property
    def volumes(self) -> Volumes:
        from engine.volumes import Volumes

        return Volumes(self.paths, self._database, self._launcher, self._journal, self._settle)

    @cached_property
    def networks(self) -> Networks:
        from engine.networks import Networks

        return Networks(self.paths, self._database, self._journal)

    @cached_property
    def builds(self) -> Builds:
        from engine.builds import Builds

        pull = self.images.pull
        return Builds(self.paths, self._database, self._launcher, self._journal, lambda: self.networks, pull)

    @cached_property
    def registries(self) -> Registries:
        from engine.registries import Registries

        return Registries(self._launcher.work)

    @cached_property
    def jobs(self) -> Jobs:
        from engine.jobs import Jobs

        return Jobs(self.paths, self._launcher)

    async def _settle(self) -> None:
        """Fold what supervisors have done by themselves into the records, as every list does."""
        from engine.options import ContainerFilter

        await self.containers.list(ContainerFilter(all=True))

    # -- the engine itself -----------------------------------------------------------------------
    def events(self, wanted: EventFilter) -> AsyncIterator[Event]:
        """What happens on this root, whichever process does it."""
        return self._journal.read(wanted)

    async def disk_usage(self) -> DiskUsage:
        """What images, containers, volumes and the build cache take, and what a prune would free."""
        from engine.disk import Disk
        from engine.options import ContainerFilter, ImageFilter

        containers = await self.containers.list(ContainerFilter(all=True))
        images = await self.images.list(ImageFilter(all=True))
        return await Disk(self.paths, self._database, self._launcher).usage(containers, images)

    async def prune_networks(self, options: PruneOptions) -> Pruned:
        """Remove the networks of people's own that no container is plugged into and that fit the filters."""
        import time

        from engine.errors import Conflict, NotFound
        from engine.records import Pruned
        from engine.runtime.filters import check_prune_filters, is_chosen

        check_prune_filters(options.filters)
        await self._settle()
        removed = []
        for network in await self.networks.list():
            if not is_chosen(network.created, network.labels, options.filters, time.time_ns()):
                continue
            try:
                await self.networks.remove(network.id)
            except (Conflict, NotFound):
                continue  # predefined, in use, or gone
            removed.append(network.name)
        return Pruned(removed=tuple(removed))

    async def check(self, *, repair: bool = False) -> tuple[Finding, ...]:
        """What of this root is left over, missing or not as it was made; mended with ``repair``."""
        from engine.checking import Checking

        checking = Checking(self.paths, self._database, self._launcher, self._journal, lambda: self.networks)
        return await checking.check(repair=repair)

    async def container_sizes(self, container_ids: Sequence[str]) -> tuple[int, ...]:
        """The bytes that each container has written to its own layer, in order."""
        from engine.disk import Disk

        return await Disk(self.paths, self._database, self._launcher).written(container_ids)

    async def info(self) -> EngineInfo:
        """What ``info`` and ``version`` show."""
        from importlib.metadata import version

        from engine.options import ContainerFilter, ImageFilter
        from engine.records import EngineInfo
        from engine.runtime import machine

        containers = await self.containers.list(ContainerFilter(all=True))
        statuses = [container.state.status for container in containers]
        kernel = os.uname()
        return EngineInfo(
            version=version("tuidock"),
            root=self.paths.root,
            containers=len(containers),
            containers_running=statuses.count("running"),
            containers_paused=statuses.count("paused"),
            containers_stopped=len(statuses) - statuses.count("running") - statuses.count("paused"),
            images=len(await self.images.list(ImageFilter())),
            kernel=kernel.release,
            operating_system=machine.operating_system(),
            architecture=kernel.machine,
            cpus=os.cpu_count() or 1,
            memory=machine.memory(),
            cgroup_version=machine.cgroup_version(),
            storage_driver="overlay2",
            python=machine.python_version(),
            hostname=kernel.nodename,
            security_options=machine.security_options(),
            warnings=machine.warnings(),
        )


def _make_folders(paths: Paths) -> None:
    for folder in (paths.root, paths.run):
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            inner = (
                ("containers", "volumes", "layers", "staging", "blobs") if folder == paths.root else ("c",)
            )
            for name in inner:
                os.makedirs(f"{folder}/{name}", mode=0o700, exist_ok=True)
        except PermissionError as error:
            raise PermissionRequired(
                f"opening {folder}", remedy="run tuidock as root (sudo), or choose another --root"
            ) from error
        except OSError as error:
            raise store_failure(folder, error) from error
