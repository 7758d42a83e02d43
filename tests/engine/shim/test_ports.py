"""Holding host ports, against the machine's own sockets."""

from __future__ import annotations

import errno
import resource
import socket

import pytest

from engine.shim.loop import Loop
from engine.shim.ports import Ports, bind
from engine.shim.refusal import Refusal
from tests.support.relaying import entry, free_port


def test_held_port_is_taken_for_everybody():
    with bind("127.0.0.1", 0, "tcp") as held, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="Address already in use"):
            other.bind(held.getsockname())


def test_held_port_refuses_connections():
    with bind("127.0.0.1", 0, "tcp") as held, socket.socket() as client:
        assert client.connect_ex(held.getsockname()) == errno.ECONNREFUSED


@pytest.mark.parametrize("listen", [False, True])
def test_connections_that_are_over_keep_nobody_from_the_port(listen):
    with bind("127.0.0.1", 0, "tcp", listen=True) as server:
        address = server.getsockname()
        client = socket.create_connection(address)
        server.setblocking(True)
        server.accept()[0].close()  # the first to close is the one in TIME-WAIT
        client.recv(1)
        client.close()
    with (
        bind("127.0.0.1", address[1], "tcp", listen=listen),
        pytest.raises(OSError, match="Address already in use"),
    ):
        bind("127.0.0.1", address[1], "tcp")


def test_held_after_connections_that_are_over_does_not_listen():
    with bind("127.0.0.1", 0, "tcp", listen=True) as server:
        address = server.getsockname()
        client = socket.create_connection(address)
        server.setblocking(True)
        server.accept()[0].close()
        client.recv(1)
        client.close()
    with bind("127.0.0.1", address[1], "tcp"), socket.socket() as late:
        assert late.connect_ex(address) == errno.ECONNREFUSED


def test_both_families_hold_one_port():
    with bind("127.0.0.1", 0, "udp") as four, bind("::1", four.getsockname()[1], "udp") as six:
        assert six.getsockname()[1] == four.getsockname()[1]


def test_refusal_names_address_and_port():
    with bind("::1", 0, "tcp") as held:
        port = held.getsockname()[1]
        with pytest.raises(Refusal) as refused:
            Ports([entry(port, 1)]).hold()
    fields = refused.value.args[0]["fields"]
    assert (fields["operation"], fields["reason"]) == (
        f"Bind for [::1]:{port} failed",
        "port is already allocated",
    )


def test_change_keeps_what_stays_and_gives_back_what_goes():
    one, other, third = (free_port() for _ in range(3))
    ports = Ports([entry(one, 1), entry(other, 1)])
    ports.hold()
    ports.attend(Loop())
    ports.change([entry(one, 2), entry(third, 1)], lambda: None)
    taken = []
    for port in (one, other, third):
        with socket.socket(socket.AF_INET6) as probe:
            taken.append(probe.connect_ex(("::1", port)) == 0)
    ports.close()
    assert taken == [True, False, True]


def test_change_that_fails_takes_nothing():
    one, other = free_port(), free_port()
    ports = Ports([entry(one, 1)])
    ports.hold()

    def fail():
        raise OSError(errno.EPERM, "no")

    with pytest.raises(OSError, match="no"):
        ports.change([entry(other, 1)], fail)
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", other))
    with pytest.raises(Refusal):
        Ports([entry(one, 1)]).hold()
    ports.close()


def listens(port):
    with socket.socket(socket.AF_INET6) as probe:
        return probe.connect_ex(("::1", port)) == 0


def test_port_that_is_not_relayed_any_more_is_held_and_refuses():
    port = free_port()
    ports = Ports([entry(port, 1)])
    ports.hold()
    ports.attend(Loop())
    before = listens(port)
    ports.change([entry(port, 1, relay=False)], lambda: None)
    after = listens(port)
    with pytest.raises(Refusal, match="already allocated"):
        Ports([entry(port, 1)]).hold()
    ports.close()
    assert (before, after) == (True, False)


def test_port_is_relayed_once_more():
    port = free_port()
    ports = Ports([entry(port, 1)])
    ports.hold()
    for relay in (False, True):
        ports.change([entry(port, 1, relay=relay)], lambda: None)
    again = listens(port)
    ports.close()
    assert again


def test_change_that_fails_leaves_a_port_that_refuses():
    port = free_port()
    ports = Ports([entry(port, 1, relay=False)])
    ports.hold()

    def fail():
        raise OSError(errno.EPERM, "no")

    with pytest.raises(OSError, match="no"):
        ports.change([entry(port, 1)], fail)
    refused = not listens(port)
    ports.close()
    assert refused


def test_ports_without_a_free_descriptor_are_attended_later():
    port, loop = free_port(), Loop()
    ports = Ports([entry(port, 1)])
    ports.hold()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        ports.attend(loop)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    loop.turn()  # until it is tried again
    with socket.create_connection(("::1", port), 10) as client:
        loop.turn(10_000)
        answer = client.recv(1)  # nobody is inside
    ports.close()
    assert answer == b""
