"""Owns what registries have images under, ``repository@digest``: look-up, put; refuses tags.

The digest is of the document that was asked for, which may be an index, not the image's own manifest.
A repository names one image by a digest, as by a tag (source: moby, reference/store.go).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from engine.oci.reference import Reference
    from engine.store.database import Database


OF_IMAGE = "SELECT name || '@' || digest FROM image_digest WHERE image_id = ? ORDER BY name, digest"
"""The normalised ``repository@digest`` of the image with the id, sorted."""


def put(connection: sqlite3.Connection, reference: Reference, image_id: str) -> None:
    """From now on the repository of ``reference`` names the image by the digest of ``reference``."""
    connection.execute(
        "INSERT INTO image_digest (name, digest, image_id) VALUES (?, ?, ?)"
        " ON CONFLICT (name, digest) DO UPDATE SET image_id = excluded.image_id",
        (reference.name, reference.digest, image_id),
    )


def find(database: Database, reference: Reference) -> str | None:
    """The id of the image that the repository of ``reference`` names by its digest."""
    rows = database.query(
        "SELECT image_id FROM image_digest WHERE name = ? AND digest = ?", (reference.name, reference.digest)
    )
    return str(rows[0][0]) if rows else None
