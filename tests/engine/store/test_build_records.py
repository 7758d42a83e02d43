"""The build cache's rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from engine.store.build_records import BuildRecords
from engine.store.database import Database
from engine.store.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(str(tmp_path / "db"))
    yield opened
    opened.close()


def layer(name: str) -> Layer:
    return Layer(chain_id=name, parent=None, diff_id=f"{name}-diff", size=1, created=5)


def test_a_key_leads_to_its_layer(database: Database) -> None:
    records = BuildRecords(database)
    records.put([("key", layer("a"))])
    found = records.find("key")
    assert found is not None
    assert (found.chain_id, found.diff_id, found.created) == ("a", "a-diff", 5)


def test_an_unknown_key_leads_nowhere(database: Database) -> None:
    assert BuildRecords(database).find("none") is None


def test_a_key_may_come_to_lead_elsewhere(database: Database) -> None:
    records = BuildRecords(database)
    records.put([("key", layer("a"))])
    records.put([("key", layer("b"))])
    found = records.find("key")
    assert found is not None
    assert found.chain_id == "b"


def test_the_end_of_a_layer_ends_its_row(database: Database) -> None:
    records = BuildRecords(database)
    records.put([("key", layer("a"))])
    with database.transaction() as connection:
        connection.execute("DELETE FROM layer")
    assert records.find("key") is None


def test_a_hit_is_noted_once_an_hour(database: Database) -> None:
    records = BuildRecords(database)
    records.put([("key", layer("a"))])
    first = records.find("key")
    assert first is not None
    records.note_hits([first])
    second = records.find("key")
    assert second is not None
    assert time.time_ns() - second.used < 60 * 10**9
    records.note_hits([second])
    assert records.find("key") == second


def test_clearing_keeps_what_images_have(database: Database) -> None:
    records = BuildRecords(database)
    records.put([("kept", layer("a")), ("gone", layer("b"))])
    with database.transaction() as connection:
        connection.execute("INSERT INTO image (id, created, added, size) VALUES ('i', 0, 0, 0)")
        connection.execute("INSERT INTO image_layer (image_id, position, chain_id) VALUES ('i', 0, 'a')")
    assert records.clear(keep_images=True) == ("gone",)
    assert records.clear(keep_images=False) == ("kept",)
