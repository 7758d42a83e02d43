"""Owns the records of images and their names: look-up, put, tag, delete; refuses to remove files.

Names are stored normalised (docker.io/library/busybox:latest) and shown as people write them. The
config is read from its blob, byte for byte what its digest (the image's id) was taken of.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.errors import InvalidInput, InvalidReference, NotFound
from engine.oci import digest as digests
from engine.oci import reference as references
from engine.oci.config import ImageConfig, decode_config, encode_config
from engine.oci.instant import from_rfc3339
from engine.records import Image
from engine.store import image_digests
from engine.store.blobs import BlobStore
from engine.store.layers import require_layer
from engine.store.locks import making

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from engine.oci.reference import Reference
    from engine.paths import Paths
    from engine.store.database import Database

_HEX = frozenset("0123456789abcdef")
_REMEDY = "tuidock images lists what is there; tuidock build, load or image bootstrap add more"


class ImageRecords:
    """The images of one store."""

    def __init__(self, paths: Paths, database: Database) -> None:
        self._paths = paths
        self._database = database
        self.blobs = BlobStore(paths)

    # -- reading ---------------------------------------------------------------------------------
    def resolve(self, text: str) -> Image:
        """The image that ``text`` means: a name, a name@digest, an id or a unique prefix of one.

        A name wins over an id, as in Docker. NotFound, or InvalidInput if the prefix fits several.
        """
        return self.get(self.resolve_id(text))

    def resolve_id(self, text: str) -> str:
        """As ``resolve``, but the id alone."""
        found = self._by_name(text) or self._by_prefix(text)
        if found is None:
            raise NotFound("image", _shown(text), remedy=_REMEDY)
        return found

    def get(self, image_id: str) -> Image:
        """The image with the full id."""
        rows = self._database.query("SELECT created, size FROM image WHERE id = ?", (image_id,))
        if not rows:
            raise NotFound("image", image_id, remedy=_REMEDY)
        ((created, size),) = rows
        names = tuple(map(references.parse, self.names(image_id)))
        config = decode_config(self.blobs.read(image_id))
        users = self._database.query("SELECT count(*) FROM container WHERE image_id = ?", (image_id,))
        return Image(
            id=image_id,
            names=tuple(name.familiar for name in names),
            created=int(str(created)),
            size=int(str(size)),
            config=config.config,
            architecture=config.architecture,
            os=config.os,
            chain_ids=digests.chain_ids(config.rootfs.diff_ids),
            digests=tuple(references.parse(one).familiar for one in self.digests(image_id)),
            labels=config.config.labels,
            containers=int(str(users[0][0])),
        )

    def ids(self) -> tuple[str, ...]:
        """Of all images, newest first."""
        rows = self._database.query("SELECT id FROM image ORDER BY created DESC, added DESC, id")
        return tuple(str(row[0]) for row in rows)

    def names(self, image_id: str) -> tuple[str, ...]:
        """The normalised names of an image, sorted."""
        rows = self._database.query(
            "SELECT name FROM image_name WHERE image_id = ? ORDER BY name", (image_id,)
        )
        return tuple(str(row[0]) for row in rows)

    def digests(self, image_id: str) -> tuple[str, ...]:
        """The normalised ``repository@digest`` that registries have an image under, sorted."""
        return tuple(str(row[0]) for row in self._database.query(image_digests.OF_IMAGE, (image_id,)))

    def in_repository(self, name: str) -> tuple[tuple[str, str], ...]:
        """The (normalised name, image id) pairs of the repository with the normalised ``name``."""
        rows = self._database.query(
            "SELECT name, image_id FROM image_name WHERE substr(name, 1, ?) = ? ORDER BY name",
            (len(name) + 1, f"{name}:"),
        )
        return tuple((str(tagged), str(image_id)) for tagged, image_id in rows)

    def names_with(self, chain_id: str) -> tuple[str, ...]:
        """The normalised names of all images with the layer."""
        rows = self._database.query(
            "SELECT name FROM image_name JOIN image_layer USING (image_id) WHERE chain_id = ? ORDER BY name",
            (chain_id,),
        )
        return tuple(str(row[0]) for row in rows)

    def manifest(self, image_id: str) -> str | None:
        """The digest of the manifest that the image came with."""
        rows = self._database.query("SELECT manifest FROM image WHERE id = ?", (image_id,))
        return str(rows[0][0]) if rows and rows[0][0] is not None else None

    def tagged_at(self, image_id: str) -> int:
        """When a name was last given to the image; 0 if it has none."""
        rows = self._database.query("SELECT max(tagged) FROM image_name WHERE image_id = ?", (image_id,))
        return int(str(rows[0][0] or 0))

    def raw_config(self, image_id: str) -> bytes:
        """The config document as it came."""
        return self.blobs.read(image_id)

    # -- writing ---------------------------------------------------------------------------------
    def put_image(
        self,
        config: ImageConfig | bytes,
        chain_ids: Sequence[str],
        names: Iterable[str] = (),
        *,
        manifest: str | None = None,
        pulled: Reference | None = None,
    ) -> str:
        """Record an image whose layers are registered, and point ``names`` at it; returns its id.

        A name that another image had moves. The same config twice is one image. ``pulled`` is the
        repository with the digest that it came under.
        """
        raw = config if isinstance(config, bytes) else encode_config(config)
        parsed = decode_config(raw)
        if digests.chain_ids(parsed.rootfs.diff_ids) != tuple(chain_ids):
            raise InvalidInput("image config", "its diff ids are not those of the layers")
        normalised = [_name(name) for name in names]
        with making(self._paths):
            image_id = self.blobs.put(raw)
            with self._database.transaction() as connection:
                self._insert(connection, image_id, parsed.created, chain_ids, manifest)
                connection.executemany(
                    "INSERT OR IGNORE INTO image_layer (image_id, position, chain_id) VALUES (?, ?, ?)",
                    [(image_id, position, chain_id) for position, chain_id in enumerate(chain_ids)],
                )
                for name in normalised:
                    _point(connection, name, image_id)
                if pulled is not None:
                    image_digests.put(connection, pulled, image_id)
        return image_id

    def put_digest(self, pushed: Reference, image_id: str) -> None:
        """The repository of ``pushed`` has the image now, under its digest."""
        with self._database.transaction() as connection:
            image_digests.put(connection, pushed, image_id)

    def tag(self, image_id: str, name: str) -> str:
        """Point ``name`` at the image; returns the name normalised."""
        normalised = _name(name)
        with self._database.transaction() as connection:
            if connection.execute("SELECT 1 FROM image WHERE id = ?", (image_id,)).fetchone() is None:
                raise NotFound("image", image_id, remedy=_REMEDY)
            _point(connection, normalised, image_id)
        return normalised

    def _insert(
        self,
        connection: sqlite3.Connection,
        image_id: str,
        created: str,
        chain_ids: Sequence[str],
        manifest: str | None,
    ) -> None:
        for chain_id in chain_ids:
            require_layer(connection, chain_id)
        size = sum(
            connection.execute("SELECT size FROM layer WHERE chain_id = ?", (chain_id,)).fetchone()[0]
            for chain_id in chain_ids
        )
        connection.execute(
            "INSERT INTO image (id, manifest, created, added, size) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET manifest = coalesce(excluded.manifest, manifest)",
            (image_id, manifest, from_rfc3339(created), time.time_ns(), size),
        )

    # -- look-up ---------------------------------------------------------------------------------
    def _by_name(self, text: str) -> str | None:
        try:
            reference = references.parse(text).tagged
        except InvalidReference:
            if _id_prefix(text) is None:
                raise
            return None
        if reference.digest:
            return self._by_digest(reference)
        rows = self._database.query("SELECT image_id FROM image_name WHERE name = ?", (reference.normalised,))
        return str(rows[0][0]) if rows else None

    def _by_digest(self, reference: Reference) -> str | None:
        """By what a registry has it under, else by what an archive brought or the config itself."""
        if pulled := image_digests.find(self._database, reference):
            return pulled
        rows = self._database.query(
            "SELECT name, image_id FROM image_name JOIN image ON image.id = image_id"
            " WHERE manifest = ? OR image_id = ? ORDER BY name",
            (reference.digest, reference.digest),
        )
        for name, image_id in rows:
            if references.parse(str(name)).name == reference.name:
                return str(image_id)
        return None

    def _by_prefix(self, text: str) -> str | None:
        prefix = _id_prefix(text)
        if prefix is None:
            return None
        rows = self._database.query(
            "SELECT id FROM image WHERE substr(id, 1, ?) = ? LIMIT 2", (len(prefix), prefix)
        )
        if len(rows) > 1:
            raise InvalidInput(
                f"image {text}", "the id prefix fits more than one image", remedy="give more of the id"
            )
        return str(rows[0][0]) if rows else None


def _point(connection: sqlite3.Connection, name: str, image_id: str) -> None:
    connection.execute(
        "INSERT INTO image_name (name, image_id, tagged) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id, tagged = excluded.tagged",
        (name, image_id, time.time_ns()),
    )


def _name(text: str) -> str:
    """``text`` normalised for storing; a digest is not a name that one can give."""
    reference = references.parse(text)
    if reference.digest:
        raise InvalidReference(
            f'invalid reference "{text}"', "a name to store cannot contain a digest", remedy="give name:tag"
        )
    return reference.tagged.normalised


def _id_prefix(text: str) -> str | None:
    digits = text.removeprefix("sha256:")
    return f"sha256:{digits}" if digits and len(digits) <= 64 and _HEX.issuperset(digits) else None  # noqa: PLR2004 - hex digits of SHA-256


def _shown(text: str) -> str:
    try:
        return references.parse(text).tagged.familiar
    except InvalidReference:
        return text
