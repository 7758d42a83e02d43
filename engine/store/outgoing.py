"""Owns choosing what ``save`` writes, and the file that it writes to; refuses to write archives."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engine.errors import InvalidInput, InvalidReference
from engine.layer.compression import GZIP, ZSTD, compression_of
from engine.oci import reference as references
from engine.store.image_records import ImageRecords
from engine.store.intake import read_file
from engine.store.layers import LayerStore
from engine.store.locks import store_failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.paths import Paths
    from engine.store.database import Database

_MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar"
_SUFFIXES = {GZIP: "+gzip", ZSTD: "+zstd"}
_LONGEST_MAGIC = 6


class Outgoing:
    """The way out of one store."""

    def __init__(self, paths: Paths, database: Database) -> None:
        self._paths = paths
        self._layers = LayerStore(paths, database)
        self._records = ImageRecords(paths, database)

    def images(self, wanted: Sequence[str]) -> tuple[dict[str, Any], ...]:
        """Each image once, as ``engine.archive.writer.write_archive`` takes it, with the names asked for.

        A repository without a tag means all its tags, an id means the image without a name.
        """
        if not wanted:
            raise InvalidInput("save", "at least one image is needed")
        names: dict[str, list[str]] = {}
        for text in wanted:
            for name, image_id in self._named(text):
                held = names.setdefault(image_id, [])
                if name and name not in held:
                    held.append(name)
        return tuple(self._image(image_id, held) for image_id, held in names.items())

    def image(self, image_id: str) -> dict[str, Any]:
        """One image, without names."""
        return self._image(image_id, [])

    def _named(self, text: str) -> tuple[tuple[str, str], ...]:
        try:
            reference = references.parse(text)
        except InvalidReference:
            return (("", self._records.resolve_id(text)),)
        if (
            not reference.tag
            and not reference.digest
            and (tags := self._records.in_repository(reference.name))
        ):
            return tags
        image_id = self._records.resolve_id(text)
        name = reference.tagged.normalised
        return ((name if name in self._records.names(image_id) else "", image_id),)

    def _image(self, image_id: str, names: list[str]) -> dict[str, Any]:
        manifest = self._records.manifest(image_id)
        return {
            "id": image_id,
            "config": self._paths.blob(image_id),
            "manifest": self._paths.blob(manifest) if manifest else None,
            "names": names,
            "layers": [self._layer(chain_id) for chain_id in self._records.get(image_id).chain_ids],
        }

    def _layer(self, chain_id: str) -> dict[str, Any]:
        layer = self._layers.get(chain_id)
        if layer.blob is None:
            return {"tree": self._paths.layer(chain_id), "diff_id": layer.diff_id}
        path = self._paths.blob(layer.blob)
        media_type = _MEDIA_TYPE + _SUFFIXES.get(compression_of(read_file(path, _LONGEST_MAGIC)), "")
        return {"blob": path, "digest": layer.blob, "media_type": media_type, "diff_id": layer.diff_id}


@contextmanager
def output(path: str | None, fd: int | None) -> Iterator[int]:
    """A descriptor to write to: ``fd``, or of a file that gets its name when the block is left in peace."""
    if path is None:
        if fd is None:
            raise InvalidInput("save", "neither a file nor a descriptor to write to")
        yield fd
        return
    in_place = os.path.exists(path) and not os.path.isfile(path)  # a device or a pipe
    target = path if in_place else f"{path}.{os.urandom(4).hex()}.part"
    flags = os.O_WRONLY | os.O_CLOEXEC | (0 if in_place else os.O_CREAT | os.O_EXCL)
    try:
        descriptor = os.open(target, flags, 0o644)
    except OSError as error:
        raise store_failure(path, error) from error
    try:
        yield descriptor
        if not in_place:
            os.rename(target, path)
    except BaseException:
        if not in_place:
            os.unlink(target)
        raise
    finally:
        os.close(descriptor)
