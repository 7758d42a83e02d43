"""The facade of networks as far as nothing is made in the kernel; the rest is in tests/integration."""

from __future__ import annotations

import os

import pytest

from engine.errors import Conflict, InvalidInput, NotFound
from engine.networks import Networks
from engine.oci.config import ContainerConfig
from engine.options import CreateNetworkOptions, CreateOptions, PortSpec
from engine.records import Container, ContainerState
from engine.runtime.attachment import AttachmentRequest
from engine.store.database import Database
from engine.store.journal import Journal

ID = "0123456789abcdef" * 4


@pytest.fixture
def networks(paths):
    os.makedirs(paths.root)
    database = Database(paths.database)
    yield Networks(paths, database, Journal(paths.events))
    database.close()


def container(status):
    return Container(
        id=ID,
        name="web",
        image="x",
        image_id="sha256:0",
        created=1,
        options=CreateOptions(image="x"),
        config=ContainerConfig(),
        state=ContainerState(status=status, pid=4711),
    )


async def test_built_in_networks_are_always_there(networks):
    assert [network.name for network in await networks.list()] == ["bridge", "host", "none"]


async def test_default_network_keeps_its_subnet(networks):
    first = await networks.get("bridge")
    assert await networks.get(first.id[:8]) == first


async def test_inspect_has_docker_s_shape(networks):
    shown = await networks.inspect("bridge")
    network = await networks.get("bridge")
    assert (shown["Driver"], shown["IPAM"]["Config"]) == (
        "bridge",
        [{"Subnet": network.subnet, "Gateway": network.gateway}],
    )


@pytest.mark.parametrize("name", ["bridge", "host", "none"])
async def test_built_in_network_cannot_be_removed(networks, name):
    with pytest.raises(Conflict, match="pre-defined"):
        await networks.remove(name)


@pytest.mark.parametrize(
    "options",
    [
        CreateNetworkOptions(name="x", driver="overlay"),
        CreateNetworkOptions(name="a b"),
        CreateNetworkOptions(name="x", gateways=("10.0.0.1",)),
        CreateNetworkOptions(name="x", subnets=("10.0.0.0/32",)),
    ],
)
async def test_network_that_cannot_be_is_refused(networks, options):
    with pytest.raises(InvalidInput):
        await networks.create(options)


async def test_unknown_network_is_not_found(networks):
    with pytest.raises(NotFound):
        await networks.check("mine")


@pytest.mark.parametrize("name", ["bridge", "default", "host", "none", "container:web"])
async def test_built_in_modes_pass(networks, name):
    assert await networks.check(name) is None


async def test_network_none_has_a_namespace_with_loopback(networks):
    attachment = await networks.attach(
        AttachmentRequest(owner=ID, name="web", network="none", hostname="web")
    )
    assert (attachment.new_namespace, len(attachment.bundle["container"])) == (True, 1)


async def test_network_host_has_no_namespace(networks):
    attachment = await networks.attach(
        AttachmentRequest(owner=ID, name="web", network="host", hostname="web")
    )
    assert (attachment.new_namespace, attachment.bundle) == (False, None)


async def test_ports_of_the_host_s_network_are_discarded(networks):
    attachment = await networks.attach(
        AttachmentRequest(
            owner=ID, name="web", network="host", ports=(PortSpec(container_port=80),), hostname="web"
        )
    )
    assert attachment.ports == ()


async def test_container_mode_joins_the_other_s_namespace_and_files(networks):
    attachment = await networks.attach(
        AttachmentRequest(
            owner=ID, name="two", network="container:web", hostname="two", peer=container("running")
        )
    )
    assert (attachment.new_namespace, attachment.netns_of, attachment.files_of) == (False, 4711, ID)


async def test_container_mode_needs_a_running_one(networks):
    with pytest.raises(Conflict, match="non running container"):
        await networks.attach(
            AttachmentRequest(
                owner=ID, name="two", network="container:web", hostname="two", peer=container("exited")
            )
        )


async def test_container_mode_publishes_nothing(networks):
    with pytest.raises(InvalidInput, match="conflicting options"):
        await networks.attach(
            AttachmentRequest(
                owner=ID,
                name="two",
                network="container:web",
                ports=(PortSpec(container_port=80),),
                hostname="two",
                peer=container("running"),
            )
        )


async def test_owner_that_cannot_name_an_interface_is_refused(networks):
    with pytest.raises(InvalidInput, match="cannot name an interface"):
        await networks.attach(AttachmentRequest(owner="short", name="web", hostname="web"))
