"""Owns the rows of the build cache: which layer a step's key led to; refuses to compute keys.

A row keeps its layer (and what that stands on) from garbage collection; the layer's end ends the row.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.records import Record
from engine.store.layers import Layer, insert_layer, require_layer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.store.database import Database

_FRESH_NANOSECONDS = 3600 * 10**9
"""A hit is noted at most once an hour: a build that only finds things then writes nothing."""


class CachedStep(Record, frozen=True, kw_only=True):
    """What a key leads to; ``created`` is when the step was run."""

    key: str
    chain_id: str
    diff_id: str
    created: int
    used: int


class BuildRecords:
    """The build cache of one store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, key: str) -> CachedStep | None:
        """The result of an equal step, or None."""
        rows = self._database.query(
            "SELECT key, chain_id, diff_id, created, used FROM build_cache WHERE key = ?", (key,)
        )
        if not rows:
            return None
        key, chain_id, diff_id = map(str, rows[0][:3])
        created, used = (int(str(value)) for value in rows[0][3:])
        return CachedStep(key=key, chain_id=chain_id, diff_id=diff_id, created=created, used=used)

    def put(self, made: Iterable[tuple[str, Layer]]) -> None:
        """Record layers whose trees are in place, in order, each with the key that leads to it: one write."""
        with self._database.transaction() as connection:
            for key, layer in made:
                insert_layer(connection, layer)
                require_layer(connection, layer.chain_id)
                connection.execute(
                    "INSERT INTO build_cache (key, chain_id, diff_id, created, used) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (key) DO UPDATE SET chain_id = excluded.chain_id,"
                    " diff_id = excluded.diff_id, created = excluded.created, used = excluded.used",
                    (key, layer.chain_id, layer.diff_id, layer.created, layer.created),
                )

    def note_hits(self, hits: Iterable[CachedStep]) -> None:
        """Remember that the rows were of use now, where that is not known already."""
        now = time.time_ns()
        old = [(now, hit.key) for hit in hits if now - hit.used > _FRESH_NANOSECONDS]
        if old:
            with self._database.transaction() as connection:
                connection.executemany("UPDATE build_cache SET used = ? WHERE key = ?", old)

    def clear(self, *, keep_images: bool) -> tuple[str, ...]:
        """Forget rows; with ``keep_images`` only those whose layer no image has. Returns the keys."""
        unused = " WHERE chain_id NOT IN (SELECT chain_id FROM image_layer)" if keep_images else ""
        with self._database.transaction() as connection:
            keys = tuple(str(row[0]) for row in connection.execute(f"SELECT key FROM build_cache{unused}"))  # noqa: S608 - constant text
            connection.executemany("DELETE FROM build_cache WHERE key = ?", [(key,) for key in keys])
        return keys
