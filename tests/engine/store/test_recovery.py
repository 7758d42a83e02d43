from __future__ import annotations

import os

import pytest

from engine.store.database import Database
from engine.store.locks import making
from engine.store.recovery import recover


@pytest.fixture
def database(paths):
    os.makedirs(paths.root)
    os.makedirs(paths.run)
    opened = Database(paths.database)
    yield opened
    opened.close()


def unrecorded(paths):
    tree = f"{paths.layers}/{'f' * 64}"
    os.makedirs(f"{tree}/etc")
    return tree


def test_the_first_open_takes_trees_without_a_row_away(paths, database):
    tree = unrecorded(paths)
    recover(paths, database)
    assert not os.path.exists(tree)


def test_the_second_open_looks_at_nothing(paths, database):
    recover(paths, database)
    tree = unrecorded(paths)
    recover(paths, database)
    assert os.path.exists(tree)


def test_another_boot_looks_again(paths, database):
    recover(paths, database)
    with open(paths.recovered, "w", encoding="ascii") as marker:
        marker.write("another boot")
    tree = unrecorded(paths)
    recover(paths, database)
    assert not os.path.exists(tree)


def test_while_somebody_makes_something_it_is_left_to_the_next(paths, database):
    tree = unrecorded(paths)
    with making(paths):
        recover(paths, database)
    assert os.path.exists(tree)
    recover(paths, database)
    assert not os.path.exists(tree)


def test_a_root_that_cannot_be_written_can_still_be_opened(paths, database):
    with open(paths.staging, "w", encoding="ascii"):
        pass  # a file where the folder should be
    recover(paths, database)
    assert not os.path.exists(paths.recovered)
