"""The choice of host ports, against the machine's own sockets."""

from __future__ import annotations

import resource
import socket

import pytest

from engine.errors import InvalidInput, NetworkFailure
from engine.network.ports import bind_ports
from engine.options import PortSpec


@pytest.fixture
def taken():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        yield opened.getsockname()[1]


def test_port_0_becomes_a_free_one():
    (binding,) = bind_ports((PortSpec(container_port=80),))
    assert binding.host_port > 1024


def test_random_ports_of_one_container_differ():
    bindings = bind_ports(tuple(PortSpec(container_port=80) for _ in range(20)))
    assert len({binding.host_port for binding in bindings}) == 20


def test_bindings_keep_the_order_asked_for(taken):
    free = bind_ports((PortSpec(container_port=1),))[0].host_port
    bindings = bind_ports((PortSpec(container_port=2), PortSpec(container_port=3, host_port=free)))
    assert [binding.container_port for binding in bindings] == [2, 3]


def test_more_ports_than_the_usual_limit_of_descriptors():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        bindings = bind_ports(tuple(PortSpec(container_port=80, host_ip="127.9.8.7") for _ in range(300)))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len({binding.host_port for binding in bindings}) == 300


def test_no_address_means_all():
    assert bind_ports((PortSpec(container_port=80),))[0].host_ip == "0.0.0.0"


def test_taken_port_is_refused_in_docker_s_words(taken):
    with pytest.raises(
        NetworkFailure, match=rf"Bind for 0\.0\.0\.0:{taken} failed: port is already allocated$"
    ):
        bind_ports((PortSpec(container_port=80, host_port=taken),))


def test_taken_port_names_the_container_that_has_it(taken):
    with pytest.raises(NetworkFailure, match="by container web"):
        bind_ports((PortSpec(container_port=80, host_port=taken),), lambda _: "web")


def test_port_asked_for_twice_is_refused():
    free = bind_ports((PortSpec(container_port=1),))[0].host_port
    twice = (PortSpec(container_port=1, host_port=free), PortSpec(container_port=2, host_port=free))
    with pytest.raises(NetworkFailure, match="already allocated"):
        bind_ports(twice)


def test_same_port_of_two_protocols_is_fine():
    free = bind_ports((PortSpec(container_port=1),))[0].host_port
    both = tuple(
        PortSpec(container_port=53, host_port=free, protocol=protocol) for protocol in ("tcp", "udp")
    )
    assert [binding.protocol for binding in bind_ports(both)] == ["tcp", "udp"]


def test_address_of_another_host_is_refused():
    with pytest.raises(NetworkFailure, match="no address of this host"):
        bind_ports((PortSpec(container_port=80, host_port=8080, host_ip="198.51.100.77"),))


@pytest.mark.parametrize(
    "spec", [PortSpec(container_port=1, host_ip="::1"), PortSpec(container_port=1, protocol="icmp")]
)
def test_what_cannot_be_published_is_refused(spec):
    with pytest.raises(InvalidInput, match="publish"):
        bind_ports((spec,))
