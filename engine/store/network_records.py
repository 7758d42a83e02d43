"""Owns the records of networks and the leases of their addresses; refuses to choose either.

A lease is taken in the same transaction that looks at the others, so that no two owners get one address.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

import msgspec

from engine.errors import Conflict, InvalidInput, NotFound
from engine.records import Endpoint, Network, PortBinding, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.store.database import Database

_REMEDY = "tuidock network ls lists what is there"
_NETWORK = msgspec.json.Decoder(Network)
_ENDPOINTS = msgspec.json.Decoder(tuple[Endpoint, ...])
_PORTS = msgspec.json.Decoder(tuple[PortBinding, ...])


class Lease(Record, frozen=True, kw_only=True):
    """One address in use; ``leased`` is the instant, ``container`` the owner's name if it is one."""

    address: str
    owner: str
    leased: int
    container: str = ""


class NetworkRecords:
    """The networks of one root."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- networks --------------------------------------------------------------------------------
    def all(self) -> tuple[Network, ...]:
        """Every network, oldest first."""
        rows = self._database.query("SELECT record FROM network ORDER BY created, name")
        return tuple(map(_to_network, rows))

    def find(self, name: str) -> Network | None:
        """The network of exactly this name."""
        rows = self._database.query("SELECT record FROM network WHERE name = ?", (name,))
        return _to_network(rows[0]) if rows else None

    def resolve(self, ref: str) -> Network:
        """By name, by id, or by a unique prefix of an id: NotFound, or InvalidInput if several fit."""
        found = self.find(ref)
        if found is not None:
            return found
        rows = self._database.query(
            "SELECT record FROM network WHERE id >= ? AND id < ? LIMIT 2", (ref, ref + "g")
        )
        if len(rows) > 1:
            raise InvalidInput("network", f"{ref} fits several networks", remedy="give more of the id")
        if not rows or not ref:
            raise NotFound("network", ref, remedy=_REMEDY)
        return _to_network(rows[0])

    def add(self, network: Network) -> None:
        """Store a new network; Conflict if its name is in use."""
        try:
            with self._database.transaction() as connection:
                connection.execute(
                    "INSERT INTO network (id, name, created, record) VALUES (?, ?, ?, ?)",
                    (network.id, network.name, network.created, msgspec.json.encode(network)),
                )
        except sqlite3.IntegrityError as error:
            raise _taken_name(network.name) from error

    def check_name(self, name: str) -> None:
        """Conflict if a network is called ``name``."""
        if self.find(name) is not None:
            raise _taken_name(name)

    def replace(self, network: Network) -> None:
        """Store the network's new record under its id."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE network SET record = ? WHERE id = ?", (msgspec.json.encode(network), network.id)
            )

    def remove(
        self, network: Network, in_use: Callable[[Lease], bool], take_away: Callable[[], None]
    ) -> None:
        """Delete the network; Conflict while a lease is ``in_use``.

        ``take_away`` removes what the kernel has of it, before the record goes: who is killed in between
        leaves a network whose bridge is made again, and never a bridge that nobody knows.
        """
        with self._database.transaction() as connection:
            for lease in _leases(connection, network.id):
                if in_use(lease):
                    user = lease.container or lease.owner[:12]
                    raise Conflict(
                        "network",
                        network.name,
                        f"network {network.name} has active endpoints ({user})",
                        remedy="stop the containers that use it first",
                    )
            take_away()
            connection.execute("DELETE FROM network WHERE id = ?", (network.id,))

    # -- leases ----------------------------------------------------------------------------------
    def leases(self, network_id: str) -> tuple[Lease, ...]:
        """The addresses in use."""
        rows = self._database.query(_LEASES, (network_id,))
        return tuple(map(_to_lease, rows))

    def lease(
        self,
        network: Network,
        owner: str,
        choose: Callable[[tuple[str, ...], Mapping[str, str]], tuple[str, str]],
        is_stale: Callable[[Lease], bool],
    ) -> tuple[str, str]:
        """The addresses of ``owner``, IPv4 and IPv6: what ``choose`` makes of its own and of those taken.

        It is told who has each of the latter; "" is no address. Leases that are ``is_stale`` (their owners
        died unseen) are given back on the way. No lease is durable: its owner ends with the power.
        """
        with self._database.transaction(durable=False) as connection:
            known = connection.execute("SELECT record FROM network WHERE id = ?", (network.id,)).fetchone()
            if known is None:
                raise NotFound("network", network.name, remedy=_REMEDY)
            mine, taken, gone = _sorted_leases(connection, _to_network(known), owner, is_stale)
            chosen = choose(mine, taken)
            gone += [address for address in mine if address not in chosen]
            connection.executemany(
                "DELETE FROM lease WHERE network_id = ? AND address = ?",
                [(network.id, address) for address in gone],
            )
            connection.executemany(
                "INSERT INTO lease (network_id, address, owner, leased) VALUES (?, ?, ?, ?)",
                [
                    (network.id, address, owner, time.time_ns())
                    for address in chosen
                    if address and address not in mine
                ],
            )
        return chosen

    def release_from(self, network_id: str, owner: str) -> None:
        """Give back the addresses of ``owner`` in one network."""
        with self._database.transaction(durable=False) as connection:
            connection.execute("DELETE FROM lease WHERE network_id = ? AND owner = ?", (network_id, owner))

    def restore_lease(self, network_id: str, address: str, owner: str) -> bool:
        """Record that ``owner``, which runs, has the address; false if it is another's by now."""
        try:
            with self._database.transaction(durable=False) as connection:
                connection.execute(
                    "INSERT INTO lease (network_id, address, owner, leased) VALUES (?, ?, ?, ?)",
                    (network_id, address, owner, time.time_ns()),
                )
        except sqlite3.IntegrityError:
            return False
        return True

    def release(self, owner: str) -> None:
        """Give back all addresses of ``owner``; nothing is written if it has none."""
        if self._database.query("SELECT 1 FROM lease WHERE owner = ? LIMIT 1", (owner,)):
            with self._database.transaction(durable=False) as connection:
                connection.execute("DELETE FROM lease WHERE owner = ?", (owner,))

    def attached(self, network: Network) -> tuple[tuple[str, str, Endpoint], ...]:
        """The id, the name and the end of each container that should run in ``network``, oldest first."""
        sql = "SELECT id, name, endpoints FROM container WHERE desired = 'running' ORDER BY created"
        return tuple(
            (str(container_id), str(name), endpoint)
            for container_id, name, endpoints in self._database.query(sql)
            for endpoint in _ENDPOINTS.decode(_bytes(endpoints))
            # Before networks had several containers' ends, host and none were named alone.
            if (endpoint.network_id or endpoint.network) in {network.id, network.name}
        )

    def holder(self, binding: PortBinding, is_live: Callable[[str], bool]) -> str | None:
        """The name of the container that publishes the host port of ``binding``; ``is_live`` takes an id."""
        sql = "SELECT id, name, ports FROM container WHERE desired = 'running'"
        for container_id, name, ports in self._database.query(sql):
            for port in _PORTS.decode(_bytes(ports)):
                same = (port.host_port, port.protocol) == (binding.host_port, binding.protocol)
                wide = {"", "0.0.0.0", "::"} & {port.host_ip, binding.host_ip}  # noqa: S104 - "all"
                if same and (wide or port.host_ip == binding.host_ip) and is_live(str(container_id)):
                    return str(name)
        return None


_LEASES = (
    "SELECT lease.address, lease.owner, lease.leased, container.name FROM lease"
    " LEFT JOIN container ON container.id = lease.owner WHERE lease.network_id = ? ORDER BY lease.leased"
)


def _taken_name(name: str) -> Conflict:
    return Conflict("network", name, f"network with name {name} already exists", remedy=_REMEDY)


def _leases(connection: sqlite3.Connection, network_id: str) -> list[Lease]:
    return [_to_lease(row) for row in connection.execute(_LEASES, (network_id,)).fetchall()]


def _sorted_leases(
    connection: sqlite3.Connection, network: Network, owner: str, is_stale: Callable[[Lease], bool]
) -> tuple[tuple[str, ...], dict[str, str], list[str]]:
    """The owner's addresses, who has which of the others, and those that nobody has any more."""
    taken = {address: "the gateway" for address in (network.gateway, network.gateway6) if address}
    taken |= {address: f"the auxiliary address {name}" for name, address in network.auxiliary.items()}
    mine, gone = [], []
    for lease in _leases(connection, network.id):
        if lease.owner == owner:
            mine.append(lease.address)
        elif is_stale(lease):
            gone.append(lease.address)
        else:
            taken[lease.address] = lease.container or lease.owner[:12]
    return tuple(mine), taken, gone


def _to_lease(row: tuple[object, ...]) -> Lease:
    address, owner, leased, name = row
    return Lease(address=str(address), owner=str(owner), leased=int(str(leased)), container=str(name or ""))


def _to_network(row: tuple[object, ...]) -> Network:
    return _NETWORK.decode(_bytes(row[0]))


def _bytes(column: object) -> bytes:
    if not isinstance(column, bytes):
        raise TypeError(type(column).__name__)
    return column
