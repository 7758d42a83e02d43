"""Owns the verbs on images: list, inspect, tag, remove, prune, load, save, import, bootstrap.

Refuses to unpack, hash or delete trees itself: workers do. What is half-made lies in a locked staging
folder, so a failure removes it and a kill leaves it to the next verb that changes the store.
"""

from __future__ import annotations

import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import NotFound
from engine.events import Event, ImageStored, Message
from engine.oci import platform
from engine.oci import reference as references
from engine.oci.config import ContainerConfig, History, ImageConfig, RootFS, decode_config
from engine.oci.instant import to_rfc3339
from engine.records import Pruned, RemovedImage
from engine.shim.lock import lock_holder
from engine.store import image_filter
from engine.store.downloads import KEPT_SECONDS
from engine.store.garbage import collected
from engine.store.image_document import to_history, to_inspect
from engine.store.image_records import ImageRecords
from engine.store.image_removal import ImageRemoval
from engine.store.intake import Intake
from engine.store.layers import LayerStore
from engine.store.locks import making, staging
from engine.store.outgoing import Outgoing, output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    from engine.events import Progress
    from engine.options import (
        BootstrapOptions,
        ImageFilter,
        ImportOptions,
        LoadOptions,
        PruneOptions,
        PullOptions,
        PushOptions,
        RemoveImageOptions,
        SaveOptions,
    )
    from engine.paths import Paths
    from engine.pulling import Pulled
    from engine.pushing import Pushed
    from engine.records import HistoryEntry, Image
    from engine.runtime.launcher import Launcher
    from engine.store.database import Database
    from engine.store.journal import Journal

_NOBODY: Mapping[str, str] = {}


class Images:
    """The images of one store."""

    def __init__(
        self,
        paths: Paths,
        database: Database,
        launcher: Launcher,
        journal: Journal,
        settle: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._settle = settle
        self._paths = paths
        self._database = database
        self._launcher = launcher
        self._journal = journal
        self._records = ImageRecords(paths, database)
        self._layers = LayerStore(paths, database)
        self._intake = Intake(paths, database, launcher.work)
        self._outgoing = Outgoing(paths, database)
        self._removal = ImageRemoval(
            database, lambda container_id: bool(lock_holder(paths.container_lock(container_id)))
        )

    # -- looking ---------------------------------------------------------------------------------
    async def list(self, wanted: ImageFilter) -> tuple[Image, ...]:
        """The images that fit, newest first; a reference pattern leaves only the names that fit it."""
        return image_filter.select(self._all(), wanted, self._records.resolve)

    async def get(self, reference: str) -> Image:
        """The image that a name, name@digest, id or unique prefix of an id means."""
        return self._records.resolve(reference)

    async def inspect(self, reference: str) -> dict[str, Any]:
        """The image in the JSON shape of ``docker image inspect`` (one element of its list)."""
        image = self._records.resolve(reference)
        config = decode_config(self._records.raw_config(image.id))
        trees = self._layers.trees(image.chain_ids)
        return to_inspect(image, config, trees, self._records.tagged_at(image.id))

    async def history(self, reference: str) -> tuple[HistoryEntry, ...]:
        """How the image came to be, newest first."""
        image = self._records.resolve(reference)
        config = decode_config(self._records.raw_config(image.id))
        return to_history(image, config, [self._layers.get(chain_id).size for chain_id in image.chain_ids])

    # -- names and removal -----------------------------------------------------------------------
    async def tag(self, reference: str, new: str) -> None:
        """Give the image one more name; another image that had it loses it."""
        image_id = self._records.resolve_id(reference)
        self._tell("tag", image_id, references.parse(self._records.tag(image_id, new)).familiar)

    async def remove(self, reference: str, options: RemoveImageOptions) -> RemovedImage:
        """Untag, and delete what has no name left, by Docker's rules; raises Conflict in its words."""
        await self._settled()
        image_id = self._records.resolve_id(reference)
        removed = self._removal.remove(image_id, reference, force=options.force)
        self._tell_removed(image_id, removed)
        if not removed.deleted:
            return removed
        layers, _freed = await self.collect()
        return RemovedImage(untagged=removed.untagged, deleted=(*removed.deleted, *layers))

    async def prune(self, options: PruneOptions) -> Pruned:
        """Delete images without a name (with ``all``: without a container), and what nothing refers to."""
        image_filter.check_keys(options.filters, image_filter.PRUNE_KEYS)
        await self._settled()
        filters = {key: value for key, value in options.filters.items() if key != "dangling"}
        every = options.all or "false" in options.filters.get("dangling", ())
        gone: tuple[str, ...] = ()
        for image in self._all():
            if (image.names and not every) or not image_filter.fits(image, filters):
                continue
            removed = self._removal.remove_unused(image.id, names=every)
            self._tell_removed(image.id, removed)
            gone += tuple(f"untagged: {name}" for name in removed.untagged)
            gone += tuple(f"deleted: {image_id}" for image_id in removed.deleted)
        # What came of layers is of no image; a filter chooses among images, not among those.
        layers, freed = await self.collect(KEPT_SECONDS if options.filters else 0)
        return Pruned(removed=(*gone, *(f"deleted: {layer}" for layer in layers)), reclaimed=freed)

    async def collect(self, kept_seconds: float = KEPT_SECONDS) -> tuple[tuple[str, ...], int]:
        """Remove what nothing refers to and what dead owners left; (chain ids, bytes of content freed).

        Parts of layers stay ``kept_seconds`` for a pull to go on with. While somebody builds or loads, layers
        and blobs are left to the next collection.
        """
        with collected(self._paths, self._database, kept_seconds=kept_seconds) as garbage:
            freed = await self._remove_trees(*garbage.folders) if garbage.folders else 0
            return garbage.layers, freed

    # -- in and out ------------------------------------------------------------------------------
    async def pull(self, options: PullOptions, progress: Progress) -> tuple[Pulled, ...]:
        """Bring images from a registry, whole or not at all; what came of layers is for the next try."""
        from engine.pulling import Pulling

        await self.collect()
        with making(self._paths):
            async with self._staging() as folder:
                pulling = Pulling(self._paths, self._launcher.work, self._intake, self._records)
                pulled = await pulling.pull(options, folder, progress)
        for one in pulled:
            self._stored(one.image_id, "pull", progress)
        return tuple(pulled)

    async def push(self, options: PushOptions, progress: Progress) -> tuple[Pushed, ...]:
        """Bring an image to its registry, under one name or all of its repository."""
        from engine.pushing import Pushing

        await self.collect()
        with making(self._paths):
            async with self._staging() as folder:
                pushing = Pushing(self._launcher.work, self._outgoing, self._records)
                pushed = await pushing.push(options, folder, progress)
        for one in pushed:
            self._tell("push", self._records.resolve_id(one.name), one.name)
        return tuple(pushed)

    async def load(self, options: LoadOptions, progress: Progress) -> tuple[Image, ...]:
        """Take the images of a docker or OCI archive in: all of an image, or nothing of it."""
        await self.collect()
        with making(self._paths):
            async with self._staging() as folder:
                request = {"path": _absolute(options.path), "staging": folder}
                found = await self._launcher.work(
                    "engine.archive.reader:read_archive", request, _descriptors(options.fd)
                )
                ids = []
                for number, image in enumerate(found["images"]):
                    before = self._holders(image["names"])
                    taken = await self._intake.take_archived(image, f"{folder}/image-{number}", progress)
                    ids.append(self._stored(taken, "load", progress, before).id)
        return tuple(map(self._records.get, dict.fromkeys(ids)))

    async def save(self, options: SaveOptions, progress: Progress) -> None:
        """Write images to one archive: to a file that appears when it is complete, or to a descriptor."""
        with making(self._paths):
            images = self._outgoing.images(options.references)
            async with self._staging() as folder:
                with output(options.path, options.fd) as out:
                    await self._write(images, folder, out, options, progress)
        for image in images:
            self._tell("save", image["id"], image["names"][0] if image["names"] else image["id"])

    async def import_(self, options: ImportOptions, progress: Progress) -> Image:
        """Make an image of one layer from the tar of a root file system (compressed or not)."""
        from engine.build.edits import apply_changes

        config = apply_changes(ContainerConfig(), options.changes)
        if options.platform:
            platform.parse(options.platform)
        names = [options.reference] if options.reference else []
        for name in names:
            references.parse(name)  # before the work, not after it
        subject = options.path or "-"
        comment = options.message or f"Imported from {subject}"
        await self.collect()
        with making(self._paths):
            async with self._staging() as folder:
                source = {"source": _absolute(options.path), "subject": subject}
                chain_id, diff_id = await self._intake.take_root(
                    source, folder, progress, _descriptors(options.fd)
                )
                image = _made(config, diff_id, created_by="", comment=comment, wanted=options.platform)
                image_id = self._records.put_image(image, [chain_id], names)
        return self._stored(image_id, "import", progress)

    async def bootstrap(self, options: BootstrapOptions, progress: Progress) -> Image:
        """Make a base image from what this machine has: hello-world, busybox, debian:SUITE, ubuntu:SUITE."""
        if options.tag:
            references.parse(options.tag)
        await self.collect()
        progress(Message(text=f"Making {options.name} from what this machine has"))
        with making(self._paths):
            async with self._staging() as folder:
                request = {"name": options.name, "staging": folder, "host_ca": options.host_ca}
                made = await self._launcher.work(
                    "engine.bootstrap.make:make",
                    request,
                    on_report=lambda report: progress(Message(text=report["message"])),
                )
                source = {"source": made["tar"], "subject": options.name}
                chain_id, diff_id = await self._intake.take_root(source, folder, progress)
                config = msgspec.convert(made["config"], ContainerConfig)
                image = _made(config, diff_id, created_by=made["created_by"], comment="")
                image_id = self._records.put_image(image, [chain_id], [options.tag or made["name"]])
        return self._stored(image_id, "import", progress)

    # -- the rest --------------------------------------------------------------------------------
    def _all(self) -> Iterator[Image]:
        for image_id in self._records.ids():
            try:
                yield self._records.get(image_id)
            except NotFound:
                continue  # removed by another process meanwhile

    async def _write(
        self, images: Sequence[object], folder: str, out: int, options: SaveOptions, progress: Progress
    ) -> None:
        progress(Message(text=f"Writing {len(images)} image{'s' if len(images) > 1 else ''}"))
        request = {
            "format": options.format,
            "compression": options.compression,
            "staging": folder,
            "images": images,
        }
        await self._launcher.work("engine.archive.writer:write_archive", request, [out])

    @asynccontextmanager
    async def _staging(self) -> AsyncIterator[str]:
        with staging(self._paths) as folder:
            try:
                yield folder
            finally:
                await self._remove_trees(folder)

    async def _remove_trees(self, *folders: str) -> int:
        return int(await self._launcher.work("engine.layer.tree:remove", {"paths": folders}))

    def _stored(
        self, image_id: str, action: str, progress: Progress, before: Mapping[str, str] = _NOBODY
    ) -> Image:
        for name, holder in before.items():
            if holder != image_id:
                text = f"The image {references.parse(name).familiar} already exists, "
                progress(Message(text=f"{text}renaming the old one with ID {holder} to empty string"))
        image = self._records.get(image_id)
        self._tell(action, image_id, image.names[0] if image.names else image_id)
        progress(ImageStored(image_id=image_id, names=image.names))
        return image

    async def _settled(self) -> None:
        """Containers that ended by themselves (``--rm``) are gone, and hold nothing any more."""
        if self._settle is not None:
            await self._settle()

    def _holders(self, names: Sequence[str]) -> dict[str, str]:
        """The images that have the names now."""
        holders = {}
        for name in names:
            try:
                holders[name] = self._records.resolve_id(name)
            except NotFound:
                continue
        return holders

    def _tell(self, action: str, image_id: str, name: str) -> None:
        event = Event(
            time=time.time_ns(), type="image", action=action, id=image_id, attributes={"name": name}
        )
        self._journal.append(event)

    def _tell_removed(self, image_id: str, removed: RemovedImage) -> None:
        for name in removed.untagged:
            self._tell("untag", image_id, name)
        for deleted in removed.deleted:
            self._tell("delete", deleted, deleted)


def _made(
    config: ContainerConfig, diff_id: str, *, created_by: str, comment: str, wanted: str | None = None
) -> ImageConfig:
    """The config of an image of one layer that is made here and now, for this machine unless ``wanted``."""
    created, here = to_rfc3339(time.time_ns()), platform.parse(wanted) if wanted else platform.host()
    return ImageConfig(
        architecture=here.architecture,
        variant=here.variant,
        os=here.os,
        created=created,
        config=config,
        rootfs=RootFS(diff_ids=(diff_id,)),
        history=(History(created=created, created_by=created_by, comment=comment),),
    )


def _absolute(path: str | None) -> str | None:
    """``path`` for a worker, whose working directory is another."""
    return None if path is None else os.path.abspath(path)


def _descriptors(fd: int | None) -> tuple[int, ...]:
    return () if fd is None else (fd,)
