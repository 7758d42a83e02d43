"""Owns the rows of volumes and of who uses them; refuses to touch their data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import Conflict, NotFound
from engine.records import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.paths import Paths
    from engine.store.database import Database

_COLUMNS = "name, created, anonymous, labels, options"
_labels = msgspec.json.Decoder(dict[str, str]).decode


class VolumeRecords:
    """The volumes of one store."""

    def __init__(self, paths: Paths, database: Database) -> None:
        self._paths = paths
        self._database = database

    def list(self) -> tuple[Volume, ...]:
        """All of them by name."""
        rows = self._database.query(f"SELECT {_COLUMNS} FROM volume ORDER BY name")  # noqa: S608 - constant columns
        return tuple(map(self._volume, rows))

    def find(self, name: str) -> Volume | None:
        """The volume, or None."""
        rows = self._database.query(f"SELECT {_COLUMNS} FROM volume WHERE name = ?", (name,))  # noqa: S608 - as above
        return self._volume(rows[0]) if rows else None

    def get(self, name: str) -> Volume:
        """The volume; NotFound if there is none."""
        found = self.find(name)
        if found is None:
            raise NotFound("volume", name, remedy="tuidock volume ls lists them")
        return found

    def put(self, volume: Volume) -> Volume:
        """Record the volume unless one of its name is there; returns the one that is there now."""
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT OR IGNORE INTO volume ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - as above
                (
                    volume.name,
                    volume.created,
                    volume.anonymous,
                    msgspec.json.encode(volume.labels),
                    msgspec.json.encode(volume.options),
                ),
            )
        return self.get(volume.name)

    def users(self, name: str) -> tuple[str, ...]:
        """The ids of the containers that use the volume."""
        rows = self._database.query(
            "SELECT container_id FROM volume_use WHERE volume = ? ORDER BY container_id", (name,)
        )
        return tuple(str(row[0]) for row in rows)

    def unused(self) -> tuple[Volume, ...]:
        """The volumes that no container uses."""
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM volume WHERE name NOT IN (SELECT volume FROM volume_use) ORDER BY name"  # noqa: S608 - as above
        )
        return tuple(map(self._volume, rows))

    def delete(self, name: str, take_away: Callable[[], None], *, force: bool = False) -> bool:
        """Forget the volume; Conflict while a container uses it. False if it was gone and ``force`` is set.

        ``take_away`` moves its data out of the way, inside the transaction: no container can begin to use
        the volume in between.
        """
        with self._database.transaction() as connection:
            users = connection.execute(
                "SELECT container_id FROM volume_use WHERE volume = ?", (name,)
            ).fetchall()
            if users:
                ids = ", ".join(str(row[0]) for row in users)
                raise Conflict(
                    "volume",
                    name,
                    f"remove {name}: volume is in use - [{ids}]",
                    remedy="remove these containers first",
                )
            deleted = connection.execute("DELETE FROM volume WHERE name = ?", (name,)).rowcount
            if deleted:
                take_away()
        if not deleted and not force:
            raise NotFound("volume", name, remedy="tuidock volume ls lists them")
        return bool(deleted)

    def _volume(self, row: tuple[Any, ...]) -> Volume:
        return Volume(
            name=row[0],
            mountpoint=self._paths.volume(row[0]),
            created=row[1],
            labels=_labels(row[3]),
            anonymous=bool(row[2]),
            options=_labels(row[4]),
        )
