"""Owns ``system df``: what images, containers, volumes and the build cache take, and what a prune would free.

Exact by construction: the same layers and trees are counted that the prunes remove. Refuses to remove any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.records import CacheUsage, ContainerUsage, DiskUsage, ImageUsage, VolumeUsage
from engine.store import downloads
from engine.store.build_records import BuildRecords
from engine.store.image_records import ImageRecords
from engine.store.usage import LayerUsage
from engine.store.volume_records import VolumeRecords

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.paths import Paths
    from engine.records import Container, Image
    from engine.runtime.launcher import Launcher
    from engine.store.database import Database


class Disk:
    """The space that one root takes."""

    def __init__(self, paths: Paths, database: Database, launcher: Launcher) -> None:
        self._paths = paths
        self._database = database
        self._launcher = launcher

    async def usage(self, containers: Sequence[Container], images: Sequence[Image]) -> DiskUsage:
        """Everything, now; ``containers`` and ``images`` are all that there are."""
        layers = LayerUsage(self._paths, self._database)
        used = {container.image_id for container in containers}
        volumes = VolumeRecords(self._paths, self._database)
        records = ImageRecords(self._paths, self._database)
        named = volumes.list()
        folders = [self._paths.container(container.id) for container in containers]
        sizes = await self._measure([*folders, *(volume.mountpoint for volume in named)])
        documents = {
            image.id: [digest for digest in (image.id, records.manifest(image.id)) if digest]
            for image in images
        }
        kept = layers.below(
            chain_id
            for image in images
            if image.id in used
            for chain_id in layers.image_layers.get(image.id, ())
        )
        kept |= layers.of_containers | layers.of_cache
        parts, spare_parts = downloads.sizes(self._paths)
        spare = [image for image in images if image.id not in used]
        return DiskUsage(
            images=tuple(_image_usage(layers, image, images) for image in images),
            images_size=layers.taken(layers.of_images)
            + layers.documents(_joined(documents.values()))
            + parts,
            images_reclaimable=layers.taken(layers.of_images - kept)
            + layers.documents(_joined(documents[image.id] for image in spare))
            + spare_parts,
            containers=tuple(
                ContainerUsage(container=container, size=size)
                for container, size in zip(containers, sizes, strict=False)
            ),
            volumes=tuple(
                VolumeUsage(volume=volume, links=len(volumes.users(volume.name)), size=size)
                for volume, size in zip(named, sizes[len(folders) :], strict=True)
            ),
            cache=self._cache(layers),
            cache_size=layers.taken(layers.of_cache - layers.of_images),
        )

    async def written(self, container_ids: Sequence[str]) -> tuple[int, ...]:
        """The bytes in each container's own layer, in order: Docker's SizeRw."""
        return tuple(await self._measure([self._paths.container_upper(each) for each in container_ids]))

    async def _measure(self, trees: list[str]) -> list[int]:
        if not trees:
            return []
        return list(await self._launcher.work("engine.layer.usage:measure", {"trees": trees}))

    def _cache(self, layers: LayerUsage) -> tuple[CacheUsage, ...]:
        shared = layers.of_images
        return tuple(
            CacheUsage(
                id=step.key,
                size=layers.content([step.chain_id]),
                created=step.created,
                used=step.used,
                shared=step.chain_id in shared,
            )
            for step in BuildRecords(self._database).list()
        )


def _joined(lists: Iterable[list[str]]) -> list[str]:
    return [digest for digests in lists for digest in digests]


def _image_usage(layers: LayerUsage, image: Image, images: Sequence[Image]) -> ImageUsage:
    own = layers.image_layers.get(image.id, set())
    others = set().union(
        *(layers.image_layers.get(other.id, set()) for other in images if other is not image)
    )
    return ImageUsage(image=image, shared=layers.content(own & others), unique=layers.content(own - others))
