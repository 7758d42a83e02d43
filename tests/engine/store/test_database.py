from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest

from engine.errors import StoreFailure
from engine.store import database as database_module
from engine.store import reserve
from engine.store.database import Database
from engine.store.schema import MIGRATIONS


def insert(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("INSERT INTO volume VALUES (?, 0, 0, x'7b7d', x'7b7d')", (name,))


def test_a_new_database_has_the_newest_schema(tmp_path):
    database = Database(str(tmp_path / "db"))
    assert database.query("PRAGMA user_version") == [(len(MIGRATIONS),)]
    database.close()


def test_a_newer_schema_is_refused_with_the_way_out(tmp_path):
    path = str(tmp_path / "db")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=999")
    connection.close()
    with pytest.raises(StoreFailure, match="newer tuidock") as caught:
        Database(path)
    assert "upgrade" in caught.value.remedy


def test_what_need_not_last_waits_for_no_disk_and_the_next_does_again(tmp_path):
    levels = []
    with closing(Database(str(tmp_path / "db"))) as database:
        for durable in (True, False, True):
            with database.transaction(durable=durable) as connection:
                levels.append(connection.execute("PRAGMA synchronous").fetchone()[0])
    assert levels == [2, 1, 2]  # FULL, NORMAL


def test_what_need_not_last_is_undone_as_well(tmp_path):
    with closing(Database(str(tmp_path / "db"))) as database:
        with pytest.raises(KeyError), database.transaction(durable=False) as connection:
            insert(connection, "one")
            raise KeyError
        assert database.query("SELECT name FROM volume") == []
        assert database.query("PRAGMA synchronous") == [(2,)]


def test_images_of_an_older_schema_keep_their_digests(tmp_path, monkeypatch):
    path = str(tmp_path / "db")
    monkeypatch.setattr(database_module, "MIGRATIONS", MIGRATIONS[:2])
    with closing(Database(path)) as old, old.transaction() as connection:
        connection.execute("INSERT INTO image VALUES ('one', 'sha256:01', 0, 0, 0), ('two', NULL, 0, 0, 0)")
        names = [("localhost:5000/a/b:v1", "one"), ("localhost:5000/a/b:v2", "one"), ("c:latest", "two")]
        connection.executemany("INSERT INTO image_name VALUES (?, ?, 0)", names)
    monkeypatch.undo()
    with closing(Database(path)) as new:
        found = new.query("SELECT name, digest, image_id FROM image_digest")
    assert found == [("localhost:5000/a/b", "sha256:01", "one")]


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreFailure, match=str(path)):
        Database(str(path))


def test_a_failed_transaction_changes_nothing(tmp_path):
    database = Database(str(tmp_path / "db"))
    with pytest.raises(ValueError, match="stop"), database.transaction() as connection:
        insert(connection, "a")
        raise ValueError("stop")
    assert database.query("SELECT name FROM volume") == []
    database.close()


def test_the_reserve_is_taken_once_there_is_plenty(tmp_path):
    path = str(tmp_path / "reserve")
    reserve.keep(path)
    assert os.path.getsize(path) == reserve.SIZE


def test_the_reserve_stays_while_the_disk_has_room(tmp_path):
    path = str(tmp_path / "reserve")
    reserve.keep(path)
    assert not reserve.release(path)
    assert os.path.exists(path)


def test_only_its_user_may_read_it(tmp_path):
    """Its folder may be anybody's, and variables of containers are secrets."""
    path = tmp_path / "db"
    before = os.umask(0)
    try:
        for _ in range(2):
            database = Database(str(path))
            with database.transaction() as connection:
                insert(connection, "one" + str(path.stat().st_ino))
                modes = {name: os.stat(tmp_path / name).st_mode & 0o777 for name in os.listdir(tmp_path)}
            database.close()
            assert set(modes.values()) == {0o600}, modes
            os.truncate(path, 0)
            path.chmod(0o644)  # as earlier releases made it
    finally:
        os.umask(before)
