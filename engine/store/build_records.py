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

    def list(self) -> tuple[CachedStep, ...]:
        """Every step, oldest first."""
        rows = self._database.query(
            "SELECT key, chain_id, diff_id, created, used FROM build_cache ORDER BY created, key"
        )
        return tuple(
            CachedStep(
                key=str(row[0]),
                chain_id=str(row[1]),
                diff_id=str(row[2]),
                created=int(str(row[3])),
                used=int(str(row[4])),
            )
            for row in rows
        )

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

    def clear(self, *, keep_images: bool, before: int | None = None) -> tuple[str, ...]:
        """Forget rows; with ``keep_images`` only those whose layer no image has. Returns the keys.

        ``before`` leaves those that were of use at that instant or later.
        """
        unused = " AND chain_id NOT IN (SELECT chain_id FROM image_layer)" if keep_images else ""
        statement = f"SELECT key FROM build_cache WHERE (? IS NULL OR used < ?){unused}"  # noqa: S608 - constant text
        with self._database.transaction() as connection:
            keys = tuple(str(row[0]) for row in connection.execute(statement, (before, before)))
            connection.executemany("DELETE FROM build_cache WHERE key = ?", [(key,) for key in keys])
        return keys
