"""Owns making an image, or a tar, of what a container's tree is now; refuses to change the container."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

from engine.build.edits import apply_changes
from engine.containers.folding import current
from engine.containers.supervision import paused
from engine.errors import InvalidInput, NotFound
from engine.oci.config import ContainerConfig, History, ImageConfig, RootFS, decode_config
from engine.oci.instant import to_rfc3339
from engine.oci.platform import host as host_platform
from engine.oci.reference import parse
from engine.records import Change
from engine.store.layers import LayerStore
from engine.store.locks import making, staging

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.options import CommitOptions
    from engine.records import Container, Image
    from engine.store.container_records import Row


async def commit(parts: Parts, reference: str, options: CommitOptions) -> Image:
    """A new image: the container's own layer on top of its image's. A running one is paused meanwhile."""
    row = await current(parts, reference)
    if options.reference and parse(options.reference).digest:
        raise InvalidInput("", f"refusing to create a tag with a digest reference: {options.reference}")
    config = apply_changes(row.container.config, options.changes)
    pauses = options.pause and row.container.state.status == "running"
    async with paused(parts, row.container) if pauses else nullcontext():
        image_id = await _put(parts, row, config, options)
    told = {"comment": options.message, "imageID": image_id, "imageRef": options.reference or ""}
    parts.announce("commit", row.container, **told)
    return parts.images.get(image_id)


async def export(parts: Parts, reference: str, descriptor: int) -> None:
    """Write the container's whole tree as one tar to ``descriptor``."""
    row = await current(parts, reference)
    container_id = row.container.id
    trees = [
        parts.paths.container_upper(container_id),
        parts.paths.container_init_layer(container_id),
        *(parts.paths.layer(chain_id) for chain_id, _ in parts.records.chain(row.chain_id)),
    ]
    await parts.launcher.work("engine.layer.merged:export", {"trees": trees}, fds=[descriptor])
    parts.announce("export", row.container)


async def diff(parts: Parts, reference: str) -> tuple[Change, ...]:
    """What the container's own tree changes in its image's."""
    row = await current(parts, reference)
    upper = parts.paths.container_upper(row.container.id)
    if not os.path.isdir(upper):
        return ()  # created, and its creator was killed: it has no folders yet
    lowers = [parts.paths.layer(chain_id) for chain_id, _ in parts.records.chain(row.chain_id)]
    found = await parts.launcher.work("engine.layer.merged:changes", {"upper": upper, "lowers": lowers})
    return tuple(Change(kind=kind, path=os.fsdecode(path.encode("latin-1"))) for kind, path in found)


async def _put(parts: Parts, row: Row, config: ContainerConfig, options: CommitOptions) -> str:
    container_id = row.container.id
    with making(parts.paths), staging(parts.paths) as folder:
        chain = parts.records.chain(row.chain_id)
        layer = await parts.launcher.work(
            "engine.layer.commit:commit",
            {
                "tree": parts.paths.container_upper(container_id),
                "copy_to": f"{folder}/layer",
                "layers": parts.paths.layers,
                "parent": row.chain_id,
            },
        )
        LayerStore(parts.paths, parts.database).register(
            layer["chain_id"], row.chain_id, layer["diff_id"], layer["size"]
        )
        diff_ids = [diff_id for _, diff_id in reversed(chain)] + [layer["diff_id"]]
        chain_ids = [chain_id for chain_id, _ in reversed(chain)] + [layer["chain_id"]]
        document = _document(_base(parts, row.container), row.container, config, diff_ids, options)
        names = [options.reference] if options.reference else []
        image_id = parts.images.put_image(document, chain_ids, names)
        await parts.launcher.work("engine.layer.tree:remove", {"paths": [folder]})
    return image_id


def _base(parts: Parts, container: Container) -> ImageConfig | None:
    try:
        return decode_config(parts.images.raw_config(container.image_id))
    except NotFound:
        return None  # rmi -f took it; the layers are still there


def _document(
    base: ImageConfig | None,
    container: Container,
    config: ContainerConfig,
    diff_ids: list[str],
    options: CommitOptions,
) -> ImageConfig:
    created = to_rfc3339(time.time_ns())
    step = History(
        created=created,
        created_by=" ".join(container.config.cmd),
        author=options.author,
        comment=options.message,
    )
    platform = host_platform()
    return ImageConfig(
        architecture=base.architecture if base else platform.architecture,
        os=base.os if base else platform.os,
        variant=base.variant if base else platform.variant,
        rootfs=RootFS(diff_ids=tuple(diff_ids)),
        created=created,
        author=options.author,
        config=config,
        history=(*(base.history if base else ()), step),
    )
