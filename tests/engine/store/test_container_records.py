from __future__ import annotations

import os

import pytest

from engine.errors import Conflict, InvalidInput, NotFound
from engine.oci.config import ContainerConfig
from engine.options import CreateOptions
from engine.records import Container, ContainerState, Endpoint, PortBinding, Volume
from engine.store.container_records import CREATED, RUNNING, STOPPED, ContainerRecords
from engine.store.database import Database
from engine.store.volume_records import VolumeRecords

IMAGE = "sha256:" + "1" * 64
PORT = PortBinding(container_port=80, host_port=8080)


@pytest.fixture
def database(paths):
    os.makedirs(paths.root)
    opened = Database(paths.database)
    with opened.transaction() as connection:
        connection.execute("INSERT INTO image (id, created, added, size) VALUES (?, 1, 1, 1)", (IMAGE,))
    yield opened
    opened.close()


@pytest.fixture
def records(database):
    return ContainerRecords(database)


def container(container_id: str, name: str, **fields: object) -> Container:
    values = {
        "id": container_id.ljust(64, "0"),
        "name": name,
        "image": "busybox",
        "image_id": IMAGE,
        "created": 5,
        "options": CreateOptions(image="busybox", env=("A=1",)),
        "config": ContainerConfig(cmd=("sh",)),
        **fields,
    }
    return Container(**values)  # type: ignore[arg-type]


def test_what_is_inserted_is_read_back_whole(records):
    one = container("a", "web")
    records.insert(one, None)
    row = records.get(one.id)
    assert (row.container, row.desired, row.chain_id) == (one, CREATED, None)
    assert records.list() == (row,)


def test_a_reference_is_an_id_then_a_name_then_a_prefix(records):
    records.insert(container("abc", "web"), None)
    records.insert(container("def", "abc"), None)
    assert records.resolve("abc").container.name == "abc"
    assert records.resolve("ab").container.name == "web"
    assert records.resolve("/web").container.name == "web"


def test_an_ambiguous_prefix_is_refused(records):
    records.insert(container("ab1", "one"), None)
    records.insert(container("ab2", "two"), None)
    with pytest.raises(InvalidInput, match="multiple IDs found with provided prefix: ab"):
        records.resolve("ab")


@pytest.mark.parametrize("text", ["", "x%", "nobody", "a" * 65])
def test_what_fits_nothing_is_not_found(records, text):
    records.insert(container("a", "web"), None)
    with pytest.raises(NotFound):
        records.resolve(text)


def test_a_taken_name_says_by_whom(records):
    one = container("a", "web")
    records.insert(one, None)
    with pytest.raises(Conflict, match=one.id):
        records.insert(container("b", "web"), None)
    records.insert(container("b", "other"), None)
    with pytest.raises(Conflict, match=one.id):
        records.rename(container("b", "other").id, "web")


def test_an_image_that_went_away_is_missed(records):
    with pytest.raises(NotFound, match="No such image: busybox"):
        records.insert(container("a", "web", image_id="sha256:gone"), None)


def test_a_running_container_has_ports_and_a_folded_one_none(records):
    one = container("a", "web")
    records.insert(one, None)
    records.set_running(one.id, (PORT,), (Endpoint(network="bridge"),))
    row = records.get(one.id)
    assert (row.desired, row.container.ports) == (RUNNING, (PORT,))
    assert records.fold(one.id, ContainerState(status="exited", exit_code=3)) is True
    row = records.get(one.id)
    assert (row.desired, row.container.ports, row.container.endpoints) == (STOPPED, (), ())
    assert row.container.state.exit_code == 3


def test_facts_are_folded_once(records):
    one = container("a", "web")
    records.insert(one, None)
    records.set_running(one.id, (), ())
    assert records.fold(one.id, ContainerState(status="exited")) is True
    assert records.fold(one.id, ContainerState(status="exited", exit_code=9)) is False
    assert records.get(one.id).container.state.exit_code == 0


def test_a_container_that_is_gone_cannot_be_started(records):
    with pytest.raises(NotFound):
        records.set_running("x" * 64, (), ())


def test_the_chain_is_top_first(records, database):
    with database.transaction() as connection:
        for chain_id, parent in (("bottom", None), ("middle", "bottom"), ("top", "middle"), ("other", None)):
            connection.execute(
                "INSERT INTO layer (chain_id, parent, diff_id, size, created) VALUES (?, ?, ?, 0, 0)",
                (chain_id, parent, f"diff-{chain_id}"),
            )
    assert records.chain("top") == (
        ("top", "diff-top"),
        ("middle", "diff-middle"),
        ("bottom", "diff-bottom"),
    )
    assert records.chain(None) == ()


def test_deleting_forgets_the_use_of_volumes(records, database, paths):
    volumes = VolumeRecords(paths, database)
    one = container("a", "web")
    records.insert(one, None, [("data", False), ("anon", True)])
    assert records.volumes_of(one.id) == ("anon", "data")
    assert volumes.users("data") == (one.id,)
    assert volumes.unused() == ()
    assert records.delete(one.id) is True
    assert records.delete(one.id) is False
    assert [(volume.name, volume.anonymous) for volume in volumes.unused()] == [
        ("anon", True),
        ("data", False),
    ]


def test_a_volume_in_use_keeps_its_data(records, database, paths):
    volumes = VolumeRecords(paths, database)
    records.insert(container("a", "web"), None, [("data", False)])
    taken = []
    with pytest.raises(Conflict, match="remove data: volume is in use"):
        volumes.delete("data", lambda: taken.append("data"))
    assert taken == []


def test_a_volume_is_recorded_once(database, paths):
    volumes = VolumeRecords(paths, database)
    first = volumes.put(Volume(name="v", mountpoint="", created=1, labels={"a": "b"}))
    again = volumes.put(Volume(name="v", mountpoint="", created=2))
    assert first == again
    assert again.labels == {"a": "b"}


def test_a_missing_volume_is_named_unless_forced(database, paths):
    volumes = VolumeRecords(paths, database)
    assert volumes.delete("none", lambda: None, force=True) is False
    with pytest.raises(NotFound, match="No such volume: none"):
        volumes.delete("none", lambda: None)
