from __future__ import annotations

import os

import pytest

from engine.oci.config import ImageConfig, RootFS
from engine.oci.digest import chain_ids, sha256
from engine.store.blobs import BlobStore
from engine.store.database import Database
from engine.store.garbage import collected
from engine.store.image_records import ImageRecords
from engine.store.layers import LayerStore
from engine.store.locks import lock_staging, making, staging

DIFF_IDS = tuple(sha256(text) for text in (b"one", b"two", b"three"))
CHAIN = chain_ids(DIFF_IDS)


@pytest.fixture
def database(paths):
    os.makedirs(paths.root)
    opened = Database(paths.database)
    yield opened
    opened.close()


@pytest.fixture
def layers(paths, database):
    store = LayerStore(paths, database)
    for at, chain_id in enumerate(CHAIN):
        os.makedirs(f"{paths.layer(chain_id)}/etc")
        store.register(chain_id, CHAIN[at - 1] if at else None, DIFF_IDS[at], 1)
    return store


def collect(paths, database):
    with collected(paths, database) as garbage:
        return set(garbage.layers)


def put(paths, database, count):
    config = ImageConfig(architecture="amd64", os="linux", rootfs=RootFS(diff_ids=DIFF_IDS[:count]))
    return ImageRecords(paths, database).put_image(config, CHAIN[:count], ["x"])


def on_disk(paths):
    return {f"sha256:{name}" for name in os.listdir(paths.layers)}


def test_layers_that_nothing_stands_on_are_moved_out(paths, database, layers):
    assert collect(paths, database) == set(CHAIN)
    assert on_disk(paths) == set()
    assert layers.find(CHAIN[0]) is None


def test_an_image_keeps_its_layers_and_its_config(paths, database, layers):
    image_id = put(paths, database, 2)
    assert collect(paths, database) == {CHAIN[2]}
    assert on_disk(paths) == set(CHAIN[:2])
    assert BlobStore(paths).list() == (image_id,)


def test_a_container_keeps_the_layers_of_an_image_that_is_gone(paths, database, layers):
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO container (id, name, image, image_id, created, options, config, mounts, ports,"
            " endpoints, desired, state, chain_id)"
            " VALUES ('c', 'c', 'x', 'x', 1, x'', x'', x'', x'', x'', 'created', x'', ?)",
            (CHAIN[1],),
        )
    assert collect(paths, database) == {CHAIN[2]}


def test_the_build_cache_keeps_its_layers_and_what_is_below(paths, database, layers):
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO build_cache VALUES ('key', ?, ?, 1, 1)",
            (CHAIN[1], DIFF_IDS[1]),
        )
    assert collect(paths, database) == {CHAIN[2]}


def test_a_layers_blob_lives_as_long_as_the_layer(paths, database, layers):
    received = BlobStore(paths).put(b"layer as received")
    diff_id = sha256(b"four")
    layers.register(diff_id, None, diff_id, 1, blob=received)
    config = ImageConfig(architecture="amd64", os="linux", rootfs=RootFS(diff_ids=(diff_id,)))
    image_id = ImageRecords(paths, database).put_image(config, (diff_id,))
    collect(paths, database)
    assert BlobStore(paths).has(received)
    with database.transaction() as connection:
        connection.execute("DELETE FROM image WHERE id = ?", (image_id,))
    collect(paths, database)
    assert BlobStore(paths).list() == ()


def test_a_tree_whose_record_was_never_written_is_moved_out(paths, database):
    os.makedirs(f"{paths.layers}/{'f' * 64}/etc")
    collect(paths, database)
    assert on_disk(paths) == set()


def test_nothing_is_taken_while_somebody_makes_something(paths, database, layers):
    with making(paths):
        assert collect(paths, database) == set()
    assert on_disk(paths) == set(CHAIN)
    assert collect(paths, database) == set(CHAIN)


def test_staging_of_the_dead_is_found_and_of_the_living_left(paths, database):
    os.makedirs(f"{paths.staging}/dead/tree")
    with staging(paths) as living, making(paths), collected(paths, database) as garbage:
        assert f"{paths.staging}/dead" in garbage.folders
        assert living not in garbage.folders
        assert lock_staging(f"{paths.staging}/dead") is None


def test_two_sweeps_do_not_meet(paths, database):
    os.makedirs(f"{paths.staging}/dead")
    with collected(paths, database) as first, collected(paths, database) as second:
        assert f"{paths.staging}/dead" in first.folders
        assert f"{paths.staging}/dead" not in second.folders


def test_a_document_that_was_being_written_is_swept(paths, database):
    os.makedirs(paths.staging)
    with open(f"{paths.staging}/blob-1", "w", encoding="ascii") as file:
        file.write("half")
    with making(paths):
        collect(paths, database)
        assert os.path.exists(f"{paths.staging}/blob-1")
    collect(paths, database)
    assert not os.path.exists(f"{paths.staging}/blob-1")
