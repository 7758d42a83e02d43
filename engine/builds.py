"""Owns the verbs on builds: build and prune; refuses to know how a step is carried out."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from engine import loop
from engine.build.bases import Bases
from engine.build.context import open_context
from engine.build.executor import Executor
from engine.build.layers import LayerMaker
from engine.build.prepare import context_checksums, prepare
from engine.build.result import image_document
from engine.build.workbench import Workbench
from engine.errors import InvalidInput
from engine.events import BuildFinished, Event, ImageStored, Message, ignore_progress
from engine.oci import platform as platforms
from engine.oci import reference as references
from engine.records import BuildResult, Pruned
from engine.store.build_records import BuildRecords
from engine.store.image_records import ImageRecords
from engine.store.locks import making, staging

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.build.bases import Pull
    from engine.events import Progress
    from engine.options import BuildOptions, PruneOptions
    from engine.paths import Paths
    from engine.runtime.attachment import Attachments
    from engine.runtime.launcher import Launcher
    from engine.store.database import Database
    from engine.store.journal import Journal

_BRIDGE = "bridge"


class Builds:
    """The builder of one root; ``networks`` are asked for only when a step needs a network.

    ``pull`` brings the images that it stands on and that are not here: it is ``Images.pull``.
    """

    def __init__(
        self,
        paths: Paths,
        database: Database,
        launcher: Launcher,
        journal: Journal,
        networks: Callable[[], Attachments],
        pull: Pull,
    ) -> None:
        self._paths = paths
        self._database = database
        self._launcher = launcher
        self._journal = journal
        self._networks = networks
        self._pull = pull
        self._images = ImageRecords(paths, database)
        self._records = BuildRecords(database)

    async def build(self, options: BuildOptions, progress: Progress = ignore_progress) -> BuildResult:
        """Build the image that ``options`` describe, tag it, and report every step.

        DockerfileSyntaxError and InvalidInput before anything ran; BuildFailed names the step. Steps that
        were good stay in the cache; a cancelled build kills its step and leaves nothing else.
        """
        begin = time.monotonic()
        names = tuple(references.parse(tag).tagged for tag in options.tags)
        await loop.begin()
        await self._sweep()
        with making(self._paths), staging(self._paths) as folder:
            workbench = Workbench(self._launcher)
            try:
                image_id = await self._build(options, progress, folder, workbench)
            finally:
                # Also while the build is being cancelled: putting things in order itself is not to be.
                await asyncio.shield(self._clean(folder, workbench))
            shown = tuple(name.familiar for name in names)
            self._announce(image_id, shown)
        progress(ImageStored(image_id=image_id, names=shown))
        progress(BuildFinished(image_id=image_id, tags=shown, seconds=time.monotonic() - begin))
        return BuildResult(image_id=image_id, tags=shown)

    async def prune(self, options: PruneOptions) -> Pruned:
        """Forget the build cache: what no image has, or all of it; frees the layers nothing else uses."""
        from engine.runtime.filters import until

        for key in options.filters:
            if key != "until":
                raise InvalidInput("", f"invalid filter '{key}'", remedy="the prune filter is until")
        before = until(options.filters, time.time_ns()) if options.filters else None
        keys = self._records.clear(keep_images=not options.all, before=before)
        return Pruned(removed=keys, reclaimed=await self._collect())

    async def _sweep(self) -> None:
        """What killed builds have left, which may be much, goes before this one adds to it."""
        if os.path.isdir(self._paths.staging) and os.listdir(self._paths.staging):
            await self._collect()

    async def _collect(self) -> int:
        from engine.store.garbage import collected

        with collected(self._paths, self._database) as garbage:
            arguments = {"paths": list(garbage.folders)}
            freed = await self._launcher.work("engine.layer.tree:remove", arguments) if garbage.folders else 0
        return int(freed)

    async def _build(
        self, options: BuildOptions, progress: Progress, folder: str, workbench: Workbench
    ) -> str:
        network = _BRIDGE if options.network in {"", "default"} else options.network
        context = await open_context(options, self._launcher, folder)
        bases = Bases(self._images, self._pull, progress, always=options.pull)
        prepared = await prepare(options, context, bases)
        if prepared.unused:
            shown = " ".join(prepared.unused)
            progress(Message(text=f"[Warning] One or more build-args [{shown}] were not consumed"))
        contents = await context_checksums(prepared.plan, context, workbench)
        maker = LayerMaker(self._paths, self._launcher, self._networks, folder, context, workbench, network)
        executor = Executor(
            prepared.plan,
            prepared.bases,
            maker,
            self._records,
            progress,
            network=network,
            use_cache=not options.no_cache,
        )
        result = await executor.run(contents)
        document = image_document(prepared.plan, result, options.labels, platforms.host().architecture)
        return self._images.put_image(document, result.chain_ids, options.tags)

    async def _clean(self, folder: str, workbench: Workbench) -> None:
        """Remove the staging folder; what is left of it, the next sweep takes."""
        await workbench.close()
        try:
            os.rmdir(folder)
        except OSError:
            await self._launcher.work("engine.layer.tree:remove", {"paths": [folder]})

    def _announce(self, image_id: str, names: tuple[str, ...]) -> None:
        for name in names:
            event = Event(
                time=time.time_ns(), type="image", action="tag", id=image_id, attributes={"name": name}
            )
            self._journal.append(event)
