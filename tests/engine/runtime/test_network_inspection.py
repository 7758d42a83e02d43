"""A container's networks in Docker's shape, by value."""

from __future__ import annotations

import pytest

from engine.oci.config import ContainerConfig
from engine.options import CreateOptions, EndpointOptions
from engine.records import Container, ContainerState, Endpoint, PortBinding
from engine.runtime.attachment import endpoint_id
from engine.runtime.network_inspection import shown_network_settings, shown_networks, shown_ports

BRIDGE = Endpoint(
    network="bridge", network_id="b" * 64, address="10.0.0.2", prefix_length=16, gateway="10.0.0.1"
)
PORTS = (PortBinding(container_port=80, host_port=8080, host_ip="0.0.0.0"),)


def container(
    *ends: Endpoint, ports: tuple[PortBinding, ...] = (), running: bool = True, **options: object
) -> Container:
    return Container(
        id="c" * 64,
        name="box",
        image="i",
        image_id="sha256:1",
        created=1,
        options=CreateOptions(image="i", **options),  # type: ignore[arg-type]
        config=ContainerConfig(exposed_ports={"80/tcp": {}, "90/udp": {}}),
        state=ContainerState(status="running" if running else "exited", pid=7),
        endpoints=ends,
        ports=ports,
    )


def test_an_end_has_an_id_of_owner_and_network():
    made = {endpoint_id(owner, of) for owner in ("a", "b") for of in ("c", "d")}
    assert (len(made), {len(name) for name in made}) == (4, {64})


def test_the_default_bridge_is_shown_at_the_top_as_well():
    settings = shown_network_settings(container(BRIDGE))
    assert (settings["IPAddress"], settings["EndpointID"]) == (
        "10.0.0.2",
        settings["Networks"]["bridge"]["EndpointID"],
    )


def test_another_network_is_not_shown_at_the_top():
    other = Endpoint(network="mine", network_id="d" * 64, address="10.1.0.2", gateway="10.1.0.1")
    settings = shown_network_settings(container(other, network="mine"))
    assert (settings["IPAddress"], settings["Gateway"], list(settings["Networks"])) == ("", "", ["mine"])


def test_exposed_ports_are_shown_beside_published_ones():
    assert shown_ports(container(BRIDGE, ports=PORTS)) == {
        "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}],
        "90/udp": None,
    }


@pytest.mark.parametrize(
    "ends",
    [
        (),
        (Endpoint(network="none", driver="null"),),
        (Endpoint(network="inside", address="10.1.0.2"),),
        (Endpoint(network="lan", driver="macvlan", address="10.1.0.2", gateway="10.1.0.1"),),
    ],
)
def test_where_nothing_can_be_published_no_port_is_shown(ends):
    assert shown_ports(container(*ends)) == {}


def test_one_in_the_namespace_of_another_is_in_no_network():
    assert shown_networks(container(network="container:abc")) == {}


def test_one_that_was_disconnected_from_all_is_in_no_network():
    one = container(running=False, network="mine", detached=True)
    assert (shown_networks(one), one.networks) == ({}, ())


def test_one_that_does_not_run_shows_what_it_is_to_be_in():
    wishes = (EndpointOptions(network="mine", aliases=("svc",)), EndpointOptions(network="yours"))
    one = container(running=False, network="mine", endpoints=wishes)
    assert ([*shown_networks(one)], shown_networks(one)["mine"]["Aliases"]) == (["mine", "yours"], ["svc"])
    assert one.networks == ("mine", "yours")
