"""The choice of host ports, against the machine's own sockets."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys

import pytest

from engine.errors import InvalidInput, NetworkFailure
from engine.network.ports import PortClaims, bind_ports
from engine.options import PortSpec


@pytest.fixture
def taken():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        yield opened.getsockname()[1]


def first_free():
    return bind_ports((PortSpec(container_port=1),))[0].host_port


def test_port_0_becomes_a_free_one_of_both_families():
    four, six = bind_ports((PortSpec(container_port=80),))
    assert (four.host_port > 1024, four.host_port) == (True, six.host_port)


def test_random_ports_of_one_container_differ():
    bindings = bind_ports(tuple(PortSpec(container_port=80) for _ in range(20)))
    assert len({binding.host_port for binding in bindings}) == 20


def test_bindings_keep_the_order_asked_for(taken):
    bindings = bind_ports((PortSpec(container_port=2), PortSpec(container_port=3, host_port=first_free())))
    assert [binding.container_port for binding in bindings] == [2, 2, 3, 3]


def test_more_ports_than_the_usual_limit_of_descriptors():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        bindings = bind_ports(tuple(PortSpec(container_port=80, host_ip="127.9.8.7") for _ in range(300)))
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len({binding.host_port for binding in bindings}) == 300


def test_no_address_means_all_of_both_families():
    assert [binding.host_ip for binding in bind_ports((PortSpec(container_port=80),))] == ["0.0.0.0", "::"]


@pytest.mark.parametrize("host_ip", ["0.0.0.0", "::", "127.0.0.1", "::1"])
def test_address_means_that_one(host_ip):
    (binding,) = bind_ports((PortSpec(container_port=80, host_ip=host_ip),))
    assert binding.host_ip == host_ip


def test_first_free_port_of_a_range_is_chosen(taken):
    (binding,) = bind_ports(
        (PortSpec(container_port=80, host_port=taken, host_port_end=taken + 9, host_ip="127.0.0.1"),)
    )
    assert taken < binding.host_port <= taken + 9


def test_range_without_a_free_port_is_refused(taken):
    with (
        socket.socket() as second,
        pytest.raises(NetworkFailure, match=rf"Bind for 127\.0\.0\.1:{taken}-{taken + 1} failed: all ports"),
    ):
        second.bind(("127.0.0.1", taken + 1))
        bind_ports(
            (PortSpec(container_port=80, host_port=taken, host_port_end=taken + 1, host_ip="127.0.0.1"),)
        )


def test_range_gives_two_ports_of_one_container_one_each():
    free = first_free()
    specs = tuple(PortSpec(container_port=n, host_port=free, host_port_end=free + 50) for n in (80, 81))
    assert len({binding.host_port for binding in bind_ports(specs)}) == 2


def test_what_one_process_has_claimed_no_other_chooses():
    free = first_free()
    program = (
        "import sys; from engine.network.ports import *; from engine.options import PortSpec;"
        "free, claims = int(sys.argv[1]), PortClaims();"
        "spec = PortSpec(container_port=1, host_port=free, host_port_end=free + 99);"
        "print(bind_ports((spec,), claims=claims)[0].host_port, flush=True);"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(free)]
    starts = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(16)
    ]
    try:
        chosen = [start.stdout.readline().strip() for start in starts]
    finally:
        for start in starts:
            start.communicate()
    assert len(set(chosen)) == 16


def test_claim_is_given_up_when_somebody_holds_the_port():
    claims = PortClaims()
    free = first_free()
    assert claims.take("tcp", free)
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", free))
        claims.settle()
        assert PortClaims().take("tcp", free)


def test_taken_port_is_refused_in_docker_s_words(taken):
    with pytest.raises(
        NetworkFailure, match=rf"Bind for 0\.0\.0\.0:{taken} failed: port is already allocated"
    ):
        bind_ports((PortSpec(container_port=80, host_port=taken),))


def test_taken_port_names_the_container_that_has_it(taken):
    with pytest.raises(NetworkFailure, match="by container web"):
        bind_ports((PortSpec(container_port=80, host_port=taken),), lambda _: "web")


def test_taken_port_names_the_program_that_has_it():
    with socket.socket() as server, open("/proc/self/comm", encoding="ascii") as name:
        server.bind(("127.0.0.1", 0))
        server.listen()
        who = f"by {name.read().strip()} \\(pid {os.getpid()}\\)"
        with pytest.raises(NetworkFailure, match=who):
            bind_ports((PortSpec(container_port=80, host_port=server.getsockname()[1]),))


def test_taken_datagram_port_names_the_program_that_has_it():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.bind(("::", 0))
        with pytest.raises(NetworkFailure, match=f"pid {os.getpid()}"):
            bind_ports((PortSpec(container_port=80, host_port=server.getsockname()[1], protocol="udp"),))


def test_ipv6_taken_by_another_is_refused():
    with socket.socket(socket.AF_INET6) as server:
        server.bind(("::1", 0))
        port = server.getsockname()[1]
        with pytest.raises(NetworkFailure, match=rf"Bind for \[::\]:{port} failed"):
            bind_ports((PortSpec(container_port=80, host_port=port),))


def test_port_asked_for_twice_is_refused():
    free = first_free()
    twice = (PortSpec(container_port=1, host_port=free), PortSpec(container_port=2, host_port=free))
    with pytest.raises(
        NetworkFailure, match=f":{free} failed: port is already allocated: it is asked for twice"
    ):
        bind_ports(twice)


def test_port_asked_for_on_all_addresses_and_on_one_is_refused():
    free = first_free()
    twice = (
        PortSpec(container_port=1, host_port=free),
        PortSpec(container_port=2, host_port=free, host_ip="127.0.0.1"),
    )
    with pytest.raises(NetworkFailure, match="it is asked for twice"):
        bind_ports(twice)


def test_same_port_of_two_protocols_is_fine():
    free = first_free()
    both = tuple(
        PortSpec(container_port=53, host_port=free, protocol=protocol) for protocol in ("tcp", "udp")
    )
    assert [binding.protocol for binding in bind_ports(both)[::2]] == ["tcp", "udp"]


def test_address_of_another_host_is_refused():
    with pytest.raises(NetworkFailure, match="no address of this host"):
        bind_ports((PortSpec(container_port=80, host_port=8080, host_ip="198.51.100.77"),))


@pytest.mark.parametrize(
    "spec",
    [
        PortSpec(container_port=1, host_ip="localhost"),
        PortSpec(container_port=1, protocol="icmp"),
        PortSpec(container_port=0),
    ],
)
def test_what_cannot_be_published_is_refused(spec):
    with pytest.raises(InvalidInput, match="publish"):
        bind_ports((spec,))


def test_sctp_is_published_or_the_kernel_that_has_none_is_named():
    spec = PortSpec(container_port=80, protocol="sctp")
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        with pytest.raises(NetworkFailure, match="this kernel has no SCTP"):
            bind_ports((spec,))
    else:
        assert bind_ports((spec,))[0].protocol == "sctp"
