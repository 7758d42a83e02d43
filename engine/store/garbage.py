"""Owns finding what nothing refers to any more and moving it out of the store; refuses to run beside makers.

Rows go first, in one transaction; then every directory and blob without a row is moved to a trash folder
in staging, which a worker removes. A kill between any two steps leaves what the next collection finds.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.records import Record
from engine.store import downloads
from engine.store.locks import collecting, lock_staging, staging, store_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.paths import Paths
    from engine.store.database import Database

_UNUSED = """
WITH RECURSIVE used (chain_id) AS (
    SELECT chain_id FROM image_layer
    UNION SELECT chain_id FROM container WHERE chain_id IS NOT NULL
    UNION SELECT chain_id FROM build_cache
    UNION SELECT layer.parent FROM layer JOIN used ON layer.chain_id = used.chain_id
          WHERE layer.parent IS NOT NULL
)
SELECT chain_id FROM layer WHERE chain_id NOT IN (SELECT chain_id FROM used)
"""


class Garbage(Record, frozen=True, kw_only=True):
    """What was moved out: ``folders`` are for a worker to remove while the block lasts."""

    folders: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    """Chain ids that were forgotten."""


@contextmanager
def collected(
    paths: Paths, database: Database, *, kept_seconds: float = downloads.KEPT_SECONDS
) -> Iterator[Garbage]:
    """Move garbage out of the store; what cannot be taken now, because somebody makes things, stays.

    Staging folders of dead owners are garbage too, and parts of layers that nobody went on to fetch for
    ``kept_seconds``; all folders stay locked for the length of the block.
    """
    with staging(paths) as trash:
        downloads.move_out(paths, trash, kept_seconds=kept_seconds)
        with collecting(paths) as alone:
            layers = _forget_layers(database) if alone else ()
            if alone:
                _move_out(paths, database, trash)
        dead = _lock_dead(paths)
        try:
            full = () if _removed_empty(trash) else (trash,)
            yield Garbage(folders=(*full, *dead.values()), layers=layers)
        finally:
            for descriptor in dead:
                os.close(descriptor)


def move_unrecorded(paths: Paths, database: Database) -> bool:
    """Move what has no row out of the store, into staging; False if somebody makes something just now."""
    with staging(paths) as trash:
        with collecting(paths) as alone:
            if alone:
                _move_out(paths, database, trash)
        _removed_empty(trash)
    return alone


def unused_layers(database: Database) -> tuple[str, ...]:
    """The chain ids that neither an image, a container nor the build cache stands on."""
    return tuple(str(row[0]) for row in database.query(_UNUSED))


def _forget_layers(database: Database) -> tuple[str, ...]:
    if not unused_layers(database):  # a read: the usual case costs no fsync
        return ()
    with database.transaction() as connection:
        layers = tuple(str(row[0]) for row in connection.execute(_UNUSED))
        connection.executemany("DELETE FROM layer WHERE chain_id = ?", [(layer,) for layer in layers])
    return layers


def unrecorded(paths: Paths, database: Database) -> tuple[str, ...]:
    """The layers and blobs without a row, and documents that nobody finished; by who is ``collecting``."""
    known = {paths.layer(str(row[0])) for row in database.query("SELECT chain_id FROM layer")}
    wanted = database.query(
        "SELECT id FROM image UNION SELECT manifest FROM image WHERE manifest IS NOT NULL"
        " UNION SELECT blob FROM layer WHERE blob IS NOT NULL"
    )
    known |= {paths.blob(str(row[0])) for row in wanted}
    found = [path for folder in (paths.layers, paths.blobs) for path in _listed(folder) if path not in known]
    # A small document that was being written when its writer died is no folder.
    return (*found, *(path for path in _listed(paths.staging) if not os.path.isdir(path)))


def _move_out(paths: Paths, database: Database, trash: str) -> None:
    for number, path in enumerate(unrecorded(paths, database)):
        _rename(path, f"{trash}/{number}")


def _lock_dead(paths: Paths) -> dict[int, str]:
    found = ((lock_staging(path), path) for path in _listed(paths.staging))
    return {descriptor: path for descriptor, path in found if descriptor is not None}


def _removed_empty(folder: str) -> bool:
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def _listed(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


def _rename(path: str, target: str) -> None:
    try:
        os.rename(path, target)
    except OSError as error:
        raise store_failure(path, error) from error
