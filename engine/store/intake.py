"""Owns taking staged images and trees into the store: unpack, settle, adopt, record, in that order.

Refuses to unpack itself: ``work`` runs a function in a worker process (it is ``Launcher.work``). Callers
hold ``engine.store.locks.making`` and own the staging folder that everything is prepared in.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from engine import loop
from engine.errors import EngineError, InvalidArchive
from engine.events import LayerProgress
from engine.oci import digest as digests
from engine.oci.config import decode_config
from engine.store.image_records import ImageRecords
from engine.store.layers import LayerStore
from engine.store.locks import store_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from engine.events import Progress
    from engine.oci.reference import Reference
    from engine.paths import Paths
    from engine.store.database import Database


class Work(Protocol):
    """``Launcher.work``."""

    def __call__(
        self,
        call: str,
        arguments: Mapping[str, object],
        fds: Iterable[int] = (),
        on_report: Callable[[Any], None] | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Run ``call`` in a worker process; returns its JSON result."""


class Layers(NamedTuple):
    """The layers of an image that comes in; ``sizes`` are the bytes of each, as it comes.

    ``unpack(number, diff_id, tree)`` gives the result of ``engine.layer.extract.extract``, with ``tree`` and
    ``path``, where its bytes lie (None: in the store already).
    """

    sizes: Sequence[int]
    unpack: Callable[[int, str, str], Coroutine[Any, Any, dict[str, Any]]]


class Intake:
    """The way into one store."""

    def __init__(self, paths: Paths, database: Database, work: Work) -> None:
        self._paths = paths
        self._work = work
        self._layers = LayerStore(paths, database)
        self._records = ImageRecords(paths, database)

    async def take_archived(self, found: dict[str, Any], folder: str, progress: Progress) -> str:
        """Take one image of ``engine.archive.reader.read_archive`` in; returns its id.

        Its layers are unpacked in parallel in the new folder ``folder``; those that are there are kept.
        """
        staged = found["layers"]

        def unpack(number: int, diff_id: str, tree: str) -> Coroutine[Any, Any, dict[str, Any]]:
            return self._unpack(staged[number], diff_id, tree, progress)

        return await self.take(
            read_file(found["config"]),
            read_file(found["manifest"]) if found["manifest"] else None,
            found["names"],
            Layers([os.path.getsize(layer["path"]) for layer in staged], unpack),
            folder,
        )

    async def take(
        self,
        raw: bytes,
        manifest: bytes | None,
        names: Sequence[str],
        layers: Layers,
        folder: str,
        pulled: Reference | None = None,
    ) -> str:
        """Take the image with the config ``raw`` in; returns its id.

        ``pulled`` is the repository and digest that a registry has it under. Its ``layers`` are unpacked in
        parallel in the new folder ``folder``; those that are there are kept.
        """
        diff_ids = decode_config(raw).rootfs.diff_ids
        if len(diff_ids) != len(layers.sizes):
            reason = f"its config names {len(diff_ids)} layers, it comes with {len(layers.sizes)}"
            raise InvalidArchive(", ".join(names) or "image", reason)
        chain_ids = digests.chain_ids(map(digests.check, diff_ids))
        first = self._here(chain_ids)
        make_folder(folder)
        missing = range(first, len(diff_ids))
        # The largest first: what begins last should not be what takes longest.
        order = sorted(missing, key=lambda number: -layers.sizes[number])
        unpacked = await together(
            layers.unpack(number, diff_ids[number], f"{folder}/{number}") for number in order
        )
        unpacked = [layer for _, layer in sorted(zip(order, unpacked, strict=True), key=lambda one: one[0])]
        await self._settle(unpacked, chain_ids, first)
        self._register(unpacked, diff_ids, chain_ids, first)
        kept = None if manifest is None else self._records.blobs.put(manifest)
        return self._records.put_image(raw, chain_ids, names, manifest=kept, pulled=pulled)

    def here(self, raw: bytes) -> int:
        """How many of the lowest layers of the image with the config ``raw`` are in the store."""
        return self._here(digests.chain_ids(map(digests.check, decode_config(raw).rootfs.diff_ids)))

    async def take_root(
        self, source: Mapping[str, object], folder: str, progress: Progress, fds: Sequence[int] = ()
    ) -> tuple[str, str]:
        """Make the tar ``source`` (arguments of ``extract``) a bottom layer: its (chain id, diff id).

        The diff id is of the tar that we write of the tree, so no copy of the given one need be kept.
        """
        tree = f"{folder}/rootfs"
        request: dict[str, object] = {**source, "target": tree, "report_as": source["subject"]}
        await self._work("engine.layer.extract:extract", request, fds, _layer_report(progress))
        request = {"tree": tree, "layers": self._paths.layers, "parent": None}
        layer = await self._work("engine.layer.commit:commit", request)
        self._layers.register(layer["chain_id"], None, layer["diff_id"], layer["size"])
        return layer["chain_id"], layer["diff_id"]

    def _here(self, chain_ids: Sequence[str]) -> int:
        missing = (at for at, chain_id in enumerate(chain_ids) if not self._layers.find(chain_id))
        return next(missing, len(chain_ids))

    async def _unpack(
        self, layer: dict[str, Any], diff_id: str, target: str, progress: Progress
    ) -> dict[str, Any]:
        request = {
            "source": layer["path"],
            "target": target,
            "diff_id": diff_id,
            "digest": layer.get("digest") or None,
            "subject": f"layer {diff_id}",
            "report_as": diff_id,
        }
        result = await self._work("engine.layer.extract:extract", request, (), _layer_report(progress))
        progress(LayerProgress(layer=diff_id, phase="done", done=result["size"], total=result["size"]))
        return {**result, "tree": target, "path": layer["path"]}

    async def _settle(
        self, unpacked: Sequence[dict[str, Any]], chain_ids: tuple[str, ...], first: int
    ) -> None:
        if not unpacked:
            return
        trees = [
            {"tree": layer["tree"], "chain_id": chain_id, "implied": layer["implied"]}
            for layer, chain_id in zip(unpacked, chain_ids[first:], strict=True)
        ]
        lowers = self._layers.trees(chain_ids[:first])
        request = {"trees": trees, "lowers": lowers, "layers": self._paths.layers}
        await self._work("engine.layer.commit:settle", request)

    def _register(
        self,
        unpacked: Sequence[dict[str, Any]],
        diff_ids: Sequence[str],
        chain_ids: Sequence[str],
        first: int,
    ) -> None:
        for at, layer in enumerate(unpacked, start=first):
            # One tar may be several layers of an image; what a registry sent is there already.
            if layer["path"] is not None and not self._records.blobs.has(layer["digest"]):
                self._records.blobs.adopt(layer["path"], layer["digest"])
            parent = chain_ids[at - 1] if at else None
            self._layers.register(chain_ids[at], parent, diff_ids[at], layer["size"], blob=layer["digest"])


async def together(work: Iterable[Coroutine[Any, Any, dict[str, Any]]]) -> list[dict[str, Any]]:
    """The results of all, a processor each; the first failure cancels the others and is raised as itself."""
    await loop.begin()
    import asyncio

    turns = asyncio.Semaphore(os.cpu_count() or 1)

    async def in_turn(one: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
        async with turns:
            return await one

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(in_turn(one)) for one in work]
    except* EngineError as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def make_folder(path: str) -> None:
    """Make ``path``; StoreFailure if that cannot be."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise store_failure(path, error) from error


def read_file(path: str, size: int = -1) -> bytes:
    """The (first ``size``) bytes of a file; StoreFailure if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError as error:
        raise store_failure(path, error) from error


def _layer_report(progress: Progress) -> Callable[[Any], None]:
    return lambda report: progress(msgspec.convert(report, LayerProgress))
