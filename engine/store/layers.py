"""Owns the records of unpacked layers; refuses to touch a layer's tree.

A layer is a directory ``layers/<chain id>`` and a row. The directory is renamed into place first, the row
comes second: a row without its directory never exists, a directory without a row is swept or taken over.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from engine.errors import NotFound
from engine.records import Record

if TYPE_CHECKING:
    import sqlite3

    from engine.paths import Paths
    from engine.store.database import Database


class Layer(Record, frozen=True, kw_only=True):
    """One unpacked layer; ``size`` is bytes of file content in its tree.

    ``blob`` is the layer as it was received: its tar cannot be made again from the tree. None for a
    layer that was written here, whose tar ``engine.layer.diff`` makes the same every time.
    """

    chain_id: str
    parent: str | None
    diff_id: str
    size: int
    created: int
    blob: str | None = None


_COLUMNS = "chain_id, parent, diff_id, size, created, blob"


class LayerStore:
    """The layers that are complete in the store."""

    def __init__(self, paths: Paths, database: Database) -> None:
        self._paths = paths
        self._database = database

    def find(self, chain_id: str) -> Layer | None:
        """The layer, or None if it is not in the store."""
        rows = self._database.query(f"SELECT {_COLUMNS} FROM layer WHERE chain_id = ?", (chain_id,))  # noqa: S608 - constant columns
        return _layer(rows[0]) if rows else None

    def get(self, chain_id: str) -> Layer:
        """The layer; NotFound if it is not in the store."""
        layer = self.find(chain_id)
        if layer is None:
            raise NotFound("layer", chain_id, remedy="load or build the image again")
        return layer

    def exists_on_disk(self, chain_id: str) -> bool:
        """Whether the tree is in place (its row may be missing after a kill: register takes it over)."""
        return os.path.isdir(self._paths.layer(chain_id))

    def register(
        self, chain_id: str, parent: str | None, diff_id: str, size: int, *, blob: str | None = None
    ) -> None:
        """Record a layer whose tree is in place; the same layer twice is one.

        Callers hold ``engine.store.locks.making`` until something refers to the layer.
        """
        with self._database.transaction() as connection:
            insert_layer(
                connection,
                Layer(
                    chain_id=chain_id,
                    parent=parent,
                    diff_id=diff_id,
                    size=size,
                    created=time.time_ns(),
                    blob=blob,
                ),
            )

    def chain(self, chain_id: str | None) -> tuple[str, ...]:
        """The chain ids from the bottom up to ``chain_id``, whether or not an image still names them."""
        rows = self._database.query(
            "WITH RECURSIVE chain (chain_id, depth) AS (SELECT ?, 0 UNION ALL"
            " SELECT layer.parent, depth + 1 FROM layer JOIN chain ON layer.chain_id = chain.chain_id"
            " WHERE layer.parent IS NOT NULL) SELECT chain_id FROM chain ORDER BY depth DESC",
            (chain_id,),
        )
        return () if chain_id is None else tuple(str(row[0]) for row in rows)

    def trees(self, chain_ids: tuple[str, ...]) -> tuple[str, ...]:
        """The directories of a chain as overlay wants them: top first."""
        return tuple(self._paths.layer(chain_id) for chain_id in reversed(chain_ids))


def insert_layer(connection: sqlite3.Connection, layer: Layer) -> None:
    """Add the row inside the caller's transaction unless it is there."""
    connection.execute(
        f"INSERT OR IGNORE INTO layer ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - constant columns
        (layer.chain_id, layer.parent, layer.diff_id, layer.size, layer.created, layer.blob),
    )


def require_layer(connection: sqlite3.Connection, chain_id: str) -> None:
    """NotFound if the layer went away; for the transaction that makes something stand on it."""
    if connection.execute("SELECT 1 FROM layer WHERE chain_id = ?", (chain_id,)).fetchone() is None:
        raise NotFound("layer", chain_id, remedy="its image was removed meanwhile: load or build it again")


def _layer(row: tuple[object, ...]) -> Layer:
    chain_id, parent, diff_id, size, created, blob = row
    return Layer(
        chain_id=str(chain_id),
        parent=None if parent is None else str(parent),
        diff_id=str(diff_id),
        size=int(str(size)),
        created=int(str(created)),
        blob=None if blob is None else str(blob),
    )
