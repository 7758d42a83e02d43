"""Owns the rows of containers: insert, look up, list, fold facts in, delete; refuses files and processes.

``desired`` is the engine's intent (created, running, stopped), ``state`` the facts as they were
last folded in. A row whose ``desired`` is running has to be asked about: its supervisor knows more.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import Conflict, InvalidInput, NotFound
from engine.oci.config import ContainerConfig
from engine.options import CreateOptions, EndpointOptions
from engine.records import Container, ContainerState, Endpoint, MountPoint, PortBinding, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.store.database import Database

CREATED, RUNNING, STOPPED = "created", "running", "stopped"
_COLUMNS = (
    "id, name, image, image_id, created, options, config, mounts, ports, endpoints, state, desired, chain_id"
)
_HEX = frozenset("0123456789abcdef")
_ID_LENGTH = 64

_encode = msgspec.json.Encoder().encode
_options = msgspec.json.Decoder(CreateOptions).decode
_config = msgspec.json.Decoder(ContainerConfig).decode
_mounts = msgspec.json.Decoder(tuple[MountPoint, ...]).decode
_ports = msgspec.json.Decoder(tuple[PortBinding, ...]).decode
_endpoints = msgspec.json.Decoder(tuple[Endpoint, ...]).decode
_state = msgspec.json.Decoder(ContainerState).decode


class Row(Record, frozen=True, kw_only=True):
    """One container as the database has it."""

    container: Container
    desired: str
    chain_id: str | None


_Rows = list[tuple[object, ...]]


class ContainerRecords:
    """The containers of one store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- reading ---------------------------------------------------------------------------------
    def list(self) -> tuple[Row, ...]:
        """All of them, newest first: one query."""
        rows = self._database.query(f"SELECT {_COLUMNS} FROM container ORDER BY created DESC, id")  # noqa: S608 - constant columns
        return tuple(map(_row, rows))

    def get(self, container_id: str) -> Row | None:
        """The row with the full id."""
        rows = self._database.query(f"SELECT {_COLUMNS} FROM container WHERE id = ?", (container_id,))  # noqa: S608 - as above
        return _row(rows[0]) if rows else None

    def resolve(self, reference: str) -> Row:
        """The row that ``reference`` means: a full id, a name, or a unique prefix of an id, in this order.

        NotFound if nothing fits, InvalidInput if a prefix fits several.
        """
        text = reference.removeprefix("/")
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM container WHERE id = ? OR name = ? ORDER BY id = ? DESC",  # noqa: S608 - as above
            (text, text, text),
        )
        if not rows and text and len(text) < _ID_LENGTH and _HEX.issuperset(text):
            rows = self._by_prefix(text)
        if not rows:
            raise NotFound("container", reference, remedy="tuidock ps -a lists them all")
        return _row(rows[0])

    def name_holder(self, name: str) -> str | None:
        """The id of the container that has ``name``."""
        rows = self._database.query("SELECT id FROM container WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def chain(self, chain_id: str | None) -> tuple[tuple[str, str], ...]:
        """The (chain id, diff id) of the layers that a container stands on, top first."""
        rows = self._database.query(
            "WITH RECURSIVE chain (chain_id, parent, diff_id, depth) AS ("
            " SELECT chain_id, parent, diff_id, 0 FROM layer WHERE chain_id = ?"
            " UNION ALL SELECT layer.chain_id, layer.parent, layer.diff_id, depth + 1"
            " FROM layer JOIN chain ON layer.chain_id = chain.parent)"
            " SELECT chain_id, diff_id FROM chain ORDER BY depth",
            (chain_id,),
        )
        return tuple((str(row[0]), str(row[1])) for row in rows)

    def images_with_layer(self, chain_id: str) -> frozenset[str]:
        """The ids of the images that stand on the layer."""
        rows = self._database.query("SELECT image_id FROM image_layer WHERE chain_id = ?", (chain_id,))
        return frozenset(str(row[0]) for row in rows)

    def volumes_of(self, container_id: str) -> tuple[str, ...]:
        """The names of the volumes that the container uses."""
        rows = self._database.query(
            "SELECT volume FROM volume_use WHERE container_id = ? ORDER BY volume", (container_id,)
        )
        return tuple(str(row[0]) for row in rows)

    def stopped_by_user(self) -> frozenset[str]:
        """The ids of those that the user has ended, or sent a signal, since their last start."""
        return frozenset(
            str(row[0]) for row in self._database.query("SELECT id FROM container WHERE stopped_by_user")
        )

    # -- writing ---------------------------------------------------------------------------------
    def insert(
        self, container: Container, chain_id: str | None, volumes: Iterable[tuple[str, bool]] = ()
    ) -> None:
        """Record a new container, with the (name, anonymous) volumes it uses; missing ones are recorded.

        NotFound if its image went away meanwhile, Conflict if its name is taken.
        """
        try:
            with self._database.transaction() as connection:
                _require_image(connection, container)
                connection.execute(
                    f"INSERT INTO container ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - as above
                    _values(container, chain_id),
                )
                for name, anonymous in volumes:
                    connection.execute(
                        "INSERT OR IGNORE INTO volume (name, created, anonymous, labels) VALUES (?, ?, ?, ?)",
                        (name, container.created, anonymous, b"{}"),
                    )
                    connection.execute(
                        "INSERT OR IGNORE INTO volume_use (volume, container_id) VALUES (?, ?)",
                        (name, container.id),
                    )
        except sqlite3.IntegrityError as error:
            raise self.name_conflict(container.name) from error

    def rename(self, container_id: str, name: str) -> None:
        """Give the container another name; Conflict if that is taken."""
        try:
            with self._database.transaction() as connection:
                connection.execute("UPDATE container SET name = ? WHERE id = ?", (name, container_id))
        except sqlite3.IntegrityError as error:
            raise self.name_conflict(name) from error

    def change_options(self, container_id: str, change: Callable[[CreateOptions], CreateOptions]) -> None:
        """Other options for the container: ``change`` of those that it has."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT options FROM container WHERE id = ?", (container_id,)).fetchone()
            if row is None:
                raise NotFound("container", container_id)
            connection.execute(
                "UPDATE container SET options = ? WHERE id = ?",
                (_encode(change(_options(row[0]))), container_id),
            )

    def set_running(
        self, container_id: str, ports: tuple[PortBinding, ...], endpoints: tuple[Endpoint, ...]
    ) -> None:
        """The intent that it runs, written before its supervisor is asked for."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE container SET desired = ?, stopped_by_user = 0, ports = ?, endpoints = ?"
                " WHERE id = ?",
                (RUNNING, _encode(ports), _encode(endpoints), container_id),
            ).rowcount
        if not changed:
            raise NotFound("container", container_id)

    def set_networks(
        self,
        container_id: str,
        wanted: tuple[EndpointOptions, ...],
        there: tuple[tuple[PortBinding, ...], tuple[Endpoint, ...]] | None = None,
    ) -> None:
        """The networks that it is to be in from now on, and of one that runs the ports and ends ``there``."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT options FROM container WHERE id = ?", (container_id,)).fetchone()
            if row is None:
                raise NotFound("container", container_id)
            options = msgspec.structs.replace(_options(row[0]), endpoints=wanted, detached=not wanted)
            connection.execute(
                "UPDATE container SET options = ? WHERE id = ?", (_encode(options), container_id)
            )
            if there is not None:
                connection.execute(
                    "UPDATE container SET ports = ?, endpoints = ? WHERE id = ? AND desired = ?",
                    (*map(_encode, there), container_id, RUNNING),
                )

    def set_ends(self, container_id: str, ends: tuple[Endpoint, ...]) -> None:
        """Other facts of the networks of a container that runs."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE container SET endpoints = ? WHERE id = ? AND desired = ?",
                (_encode(ends), container_id, RUNNING),
            )

    def set_stopped_by_user(self, container_id: str) -> None:
        """The intent that it ends, written before the signal is sent: no policy may start it again."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE container SET stopped_by_user = 1 WHERE id = ?", (container_id,))

    def fold(self, container_id: str, state: ContainerState, desired: str = STOPPED) -> bool:
        """Take in the facts of a container that ended (or never began); false if somebody else did."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE container SET state = ?, desired = ?, ports = x'5b5d', endpoints = x'5b5d'"
                " WHERE id = ? AND desired = ?",
                (_encode(state), desired, container_id, RUNNING),
            ).rowcount
            connection.execute("DELETE FROM lease WHERE owner = ?", (container_id,))
        return bool(changed)

    def set_state(self, container_id: str, state: ContainerState) -> None:
        """Facts of a container that never came to run, and the end of its leases."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE container SET state = ? WHERE id = ?", (_encode(state), container_id))
            connection.execute("DELETE FROM lease WHERE owner = ?", (container_id,))

    def delete(self, container_id: str) -> bool:
        """Forget the container, its leases and its uses of volumes; false if it was gone."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM lease WHERE owner = ?", (container_id,))
            deleted = connection.execute("DELETE FROM container WHERE id = ?", (container_id,)).rowcount
        return bool(deleted)

    def name_conflict(self, name: str) -> Conflict:
        """Docker's words for a name that is taken."""
        holder = self.name_holder(name) or "unknown"
        return Conflict(
            "container",
            name,
            f'Conflict. The container name "/{name}" is already in use by container "{holder}".',
            remedy=f"remove it (tuidock rm {name}) or rename it, or choose another name",
        )

    def _by_prefix(self, prefix: str) -> _Rows:
        rows = self._database.query(
            f"SELECT {_COLUMNS} FROM container WHERE id >= ? AND id < ? LIMIT 2",  # noqa: S608 - constant columns
            (prefix, f"{prefix}g"),
        )
        if len(rows) > 1:
            raise InvalidInput(
                "", f"multiple IDs found with provided prefix: {prefix}", remedy="give more of the id"
            )
        return rows


def _require_image(connection: sqlite3.Connection, container: Container) -> None:
    found = connection.execute("SELECT 1 FROM image WHERE id = ?", (container.image_id,)).fetchone()
    if found is None:
        raise NotFound("image", container.image, remedy="it was removed meanwhile: build or load it again")


def _values(container: Container, chain_id: str | None) -> tuple[object, ...]:
    parts = (container.options, container.config, container.mounts, container.ports, container.endpoints)
    return (
        container.id,
        container.name,
        container.image,
        container.image_id,
        container.created,
        *map(_encode, parts),
        _encode(container.state),
        CREATED,
        chain_id,
    )


def _row(row: tuple[Any, ...]) -> Row:
    return Row(
        container=Container(
            id=row[0],
            name=row[1],
            image=row[2],
            image_id=row[3],
            created=row[4],
            options=_options(row[5]),
            config=_config(row[6]),
            mounts=_mounts(row[7]),
            ports=_ports(row[8]),
            endpoints=_endpoints(row[9]),
            state=_state(row[10]),
        ),
        desired=row[11],
        chain_id=row[12],
    )
