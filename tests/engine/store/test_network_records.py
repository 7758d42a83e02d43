"""Records of networks and leases in a real database."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from engine.errors import Conflict, InvalidInput, NetworkFailure, NotFound
from engine.network.addresses import next_address
from engine.oci.config import ContainerConfig
from engine.options import CreateOptions
from engine.records import ContainerState, Network, PortBinding
from engine.store.database import Database
from engine.store.network_records import NetworkRecords

NETWORK = Network(
    id="ab" * 32,
    name="bridge",
    driver="bridge",
    created=1,
    subnet="172.17.0.0/16",
    gateway="172.17.0.1",
    bridge="b0",
)
OTHER = msgspec.structs.replace(NETWORK, id="ac" * 32, name="other", created=2)


@pytest.fixture
def database(tmp_path):
    opened = Database(str(tmp_path / "db"))
    yield opened
    opened.close()


@pytest.fixture
def records(database):
    made = NetworkRecords(database)
    made.add(NETWORK)
    return made


def choose(mine, taken):
    return (mine[0] if mine else next_address(NETWORK.subnet, taken)), ""


def never(_lease):
    return False


def add_container(database, name, port, desired):
    parts = {
        "options": CreateOptions(image="x"),
        "config": ContainerConfig(),
        "mounts": (),
        "ports": (PortBinding(container_port=80, host_port=port, host_ip="0.0.0.0"),),
        "endpoints": (),
        "state": ContainerState(),
    }
    with database.transaction() as connection:
        connection.execute(
            "INSERT INTO container (id, name, image, image_id, created, desired, options, config, mounts, ports,"
            " endpoints, state) VALUES (?, ?, 'x', 'x', 1, ?, ?, ?, ?, ?, ?, ?)",
            (
                os.urandom(32).hex(),
                name,
                desired,
                *map(
                    msgspec.json.encode,
                    (parts[key] for key in ("options", "config", "mounts", "ports", "endpoints", "state")),
                ),
            ),
        )


def test_network_comes_back_as_it_was_stored(records):
    assert records.find("bridge") == NETWORK


def test_networks_are_listed_oldest_first(records):
    records.add(OTHER)
    assert records.all() == (NETWORK, OTHER)


def test_name_is_used_once(records):
    with pytest.raises(Conflict, match="already exists"):
        records.add(msgspec.structs.replace(OTHER, name="bridge"))


def test_unique_prefix_of_an_id_resolves(records):
    records.add(OTHER)
    assert records.resolve("aba") == NETWORK


def test_ambiguous_prefix_is_refused(records):
    records.add(OTHER)
    with pytest.raises(InvalidInput, match="several"):
        records.resolve("a")


@pytest.mark.parametrize("ref", ["nothing", "", "ff"])
def test_unknown_network_is_not_found(records, ref):
    with pytest.raises(NotFound):
        records.resolve(ref)


def test_first_lease_follows_the_gateway(records):
    assert records.lease(NETWORK, "one", choose, never) == ("172.17.0.2", "")


def test_owner_keeps_its_address(records):
    records.lease(NETWORK, "one", choose, never)
    assert records.lease(NETWORK, "one", choose, never) == ("172.17.0.2", "")


def test_released_address_is_free(records):
    records.lease(NETWORK, "one", choose, never)
    records.release("one")
    assert records.lease(NETWORK, "two", choose, never) == ("172.17.0.2", "")


def test_owner_has_an_address_of_each_family(records):
    records.lease(NETWORK, "one", lambda _mine, _taken: ("172.17.0.9", "fd00:5::9"), never)
    assert [lease.address for lease in records.leases(NETWORK.id)] == ["172.17.0.9", "fd00:5::9"]


def test_address_that_is_not_chosen_again_is_given_back(records):
    records.lease(NETWORK, "one", choose, never)
    records.lease(NETWORK, "one", lambda _mine, _taken: ("172.17.0.9", ""), never)
    assert [lease.address for lease in records.leases(NETWORK.id)] == ["172.17.0.9"]


def test_gateways_auxiliary_addresses_and_others_are_taken(records):
    network = msgspec.structs.replace(OTHER, gateway6="fd00:5::1", auxiliary={"router": "172.17.0.5"})
    records.add(network)
    records.lease(network, "one", choose, never)
    seen = {}
    records.lease(network, "two", lambda _mine, taken: (seen.update(taken), ("172.17.0.9", ""))[1], never)
    assert seen == {
        "172.17.0.1": "the gateway",
        "fd00:5::1": "the gateway",
        "172.17.0.5": "the auxiliary address router",
        "172.17.0.2": "one",
    }


def test_addresses_of_one_network_are_released_alone(records):
    records.add(OTHER)
    for network in (NETWORK, OTHER):
        records.lease(network, "one", choose, never)
    records.release_from(NETWORK.id, "one")
    assert [len(records.leases(network.id)) for network in (NETWORK, OTHER)] == [0, 1]


def test_stale_lease_is_given_back(records):
    records.lease(NETWORK, "one", choose, never)
    assert records.lease(NETWORK, "two", choose, lambda lease: lease.owner == "one") == (
        "172.17.0.2",
        "",
    )


def test_50_concurrent_leases_are_distinct(records, tmp_path):
    def lease(owner):
        opened = Database(str(tmp_path / "db"))
        try:
            return NetworkRecords(opened).lease(NETWORK, f"owner{owner}", choose, never)
        finally:
            opened.close()

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(lease, range(50)))) == 50


def test_lease_in_a_network_that_is_gone_is_refused(records):
    with pytest.raises(NotFound):
        records.lease(OTHER, "one", choose, never)


def test_refused_lease_leaves_none(records):
    def full(_mine, _taken):
        raise NetworkFailure("lease", "all are in use")

    with pytest.raises(NetworkFailure):
        records.lease(NETWORK, "one", full, never)
    assert records.leases(NETWORK.id) == ()


def test_network_in_use_is_kept(records):
    records.lease(NETWORK, "one", choose, never)
    with pytest.raises(Conflict, match="active endpoints"):
        records.remove(NETWORK, lambda _: True, lambda: None)


def test_removed_network_takes_stale_leases_along(records):
    records.lease(NETWORK, "one", choose, never)
    records.remove(NETWORK, never, lambda: None)
    assert (records.all(), records.leases(NETWORK.id)) == ((), ())


def test_network_whose_bridge_cannot_be_removed_is_kept(records):
    def refuse():
        raise NetworkFailure("remove bridge", "operation not permitted")

    with pytest.raises(NetworkFailure):
        records.remove(NETWORK, never, refuse)
    assert NETWORK in records.all()


def test_leases_know_since_when(records):
    before = time.time_ns()
    records.lease(NETWORK, "one", choose, never)
    assert before <= records.leases(NETWORK.id)[0].leased <= time.time_ns()


def test_holder_of_a_port_is_a_running_container(records, database):
    add_container(database, "web", 8080, "running")
    wanted = PortBinding(container_port=1, host_port=8080, host_ip="127.0.0.1")
    assert records.holder(wanted, lambda _: True) == "web"


def test_stopped_container_holds_no_port(records, database):
    add_container(database, "web", 8080, "stopped")
    assert records.holder(PortBinding(container_port=1, host_port=8080), lambda _: True) is None


def test_container_that_died_unseen_holds_no_port(records, database):
    add_container(database, "web", 8080, "running")
    assert records.holder(PortBinding(container_port=1, host_port=8080), lambda _: False) is None


def test_other_protocol_is_another_port(records, database):
    add_container(database, "web", 8080, "running")
    wanted = PortBinding(container_port=1, host_port=8080, protocol="udp")
    assert records.holder(wanted, lambda _: True) is None
