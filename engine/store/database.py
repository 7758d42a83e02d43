"""Owns the SQLite connection: opening, migrating, transactions; refuses to know any table.

Every write is one ``BEGIN IMMEDIATE`` with a busy timeout and no await inside, so that processes on
one root take turns; ``synchronous=FULL`` because what was promised to the user survives power loss.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from engine.errors import StoreFailure
from engine.store import reserve as kept_back
from engine.store.schema import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUSY_SECONDS = 30.0


class Database:
    """One connection to the database at ``path``; used from one thread."""

    def __init__(self, path: str, reserve: str = "") -> None:
        """``reserve`` is the path of ``engine.store.reserve``: given up for a write on a full disk."""
        self._path = path
        self._reserve = reserve
        try:
            self._connection = self._connected()
        except sqlite3.Error as error:
            if not self._made_room():
                raise self._failure(error) from error
            try:
                self._connection = self._connected()
            except sqlite3.Error as again:
                raise self._failure(again) from again

    def close(self) -> None:
        """Close the connection; the last one folds the write-ahead log into the file."""
        self._connection.close()

    def query(self, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """All rows of a read."""
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """One write: BEGIN IMMEDIATE, then COMMIT, or ROLLBACK if the block raises.

        What is not ``durable``, because nothing that it is about outlives a power loss, waits for no disk: it
        is written there with the next that is, in its order.
        """
        if not durable:
            with self._unsynced(), self.transaction() as connection:
                yield connection
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise self._failure(error) from error
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except sqlite3.IntegrityError:
            self._connection.execute("ROLLBACK")
            raise
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise self._failure(error) from error
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _unsynced(self) -> Iterator[None]:
        """With a write-ahead log NORMAL leaves out the fsync of a commit, and nothing else."""
        self._connection.execute("PRAGMA synchronous=NORMAL")
        try:
            yield
        finally:
            self._connection.execute("PRAGMA synchronous=FULL")

    def _connected(self) -> sqlite3.Connection:
        _keep_private(self._path)
        connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _made_room(self) -> bool:
        return bool(self._reserve) and kept_back.release(self._reserve)

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = _version(connection)
        if version > len(MIGRATIONS):
            raise StoreFailure(
                self._path,
                f"written by a newer tuidock (schema {version}, this one knows {len(MIGRATIONS)})",
                remedy="upgrade tuidock, or choose another --root",
            )
        while version < len(MIGRATIONS):
            # Two first processes may arrive together: the version is read again under the lock.
            connection.execute("BEGIN IMMEDIATE")
            version = _version(connection)
            if version < len(MIGRATIONS):
                script = MIGRATIONS[version]
                for statement in filter(str.strip, script.split(";\n")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version={version + 1}")
            connection.execute("COMMIT")
            version = _version(connection)

    def _failure(self, error: sqlite3.Error) -> StoreFailure:
        remedy = "check free space and permissions of the folder (df, ls -ld)"
        if self._made_room():
            remedy = "a little room was kept back: now tuidock rm, tuidock rmi and tuidock system prune work"
        return StoreFailure(self._path, str(error), remedy=remedy)


def _keep_private(path: str) -> None:
    """Let only this user read the database at ``path``, whatever folder it is in: variables are secrets.

    What exists is not opened: closing it would give up the locks of another connection of this process.
    SQLite gives the files beside it the same mode.
    """
    try:
        if os.stat(path).st_mode & 0o077:
            os.chmod(path, 0o600)
    except FileNotFoundError:
        with suppress(OSError):  # SQLite says what is wrong
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError:
        pass  # somebody else's, or not to be reached: as above


def _version(connection: sqlite3.Connection) -> int:
    row = connection.execute("PRAGMA user_version").fetchone()
    return int(row[0])
