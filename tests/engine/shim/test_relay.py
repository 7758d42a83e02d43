"""Published ports that are relayed, by a process as a supervisor is one, against real sockets."""

from __future__ import annotations

import os
import resource
import signal
import socket
import threading
import time

import pytest

from engine.shim import relay
from engine.shim.ports import bind
from tests.support.relaying import (
    PATIENCE,
    ask,
    children,
    connected,
    echo,
    entry,
    free_port,
    holding,
    serving,
)


def wait_for(condition):
    """A condition that another process makes true; the time is a bound for a broken one, not a measure."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def echoed():
    """The published port of an echo server, and the process that holds it."""
    port = free_port()
    with serving(echo) as inside, holding(entry(port, inside)) as holder:
        yield port, holder


def test_what_is_sent_comes_back(echoed):
    assert ask(echoed[0], b"over") == b"over"


def test_a_megabyte_passes_both_ways_unchanged(echoed):
    content = os.urandom(1 << 20)
    with connected(echoed[0]) as client:
        sender = threading.Thread(target=client.sendall, args=(content,))
        sender.start()
        got = bytearray()
        while len(got) < len(content):
            got += client.recv(65536)
        sender.join()
    assert got == content


def test_client_s_end_leaves_the_answer_open():
    port = free_port()

    def late(connection):
        asked = b"".join(iter(lambda: connection.recv(100), b""))
        connection.sendall(b"end after " + asked)

    with serving(late) as inside, holding(entry(port, inside)):
        assert ask(port, b"question") == b"end after question"


def test_server_s_end_leaves_the_question_open():
    port, heard = free_port(), []

    def early(connection):
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        heard.append(connection.recv(100))

    with serving(early) as inside, holding(entry(port, inside)), connected(port) as client:
        assert [client.recv(100), client.recv(100)] == [b"hello", b""]
        client.sendall(b"still here")
        client.shutdown(socket.SHUT_WR)
        wait_for(lambda: heard)
    assert heard == [b"still here"]


def test_writer_waits_for_a_reader_that_does_not_read():
    port, opened = free_port(), threading.Event()

    def deaf(connection):
        opened.wait(PATIENCE)
        total = 0
        while content := connection.recv(1 << 20):
            total += len(content)
        connection.sendall(str(total).encode())

    with serving(deaf) as inside, holding(entry(port, inside)) as holder, connected(port) as client:
        client.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:
                sent += client.send(bytes(65536))
        (child,) = children(holder.pid)
        with open(f"/proc/{child}/status", encoding="ascii") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        opened.set()
        client.settimeout(PATIENCE)
        client.shutdown(socket.SHUT_WR)
        assert (client.recv(100), resident < 40_000) == (str(sent).encode(), True)


def test_refused_inside_is_an_end_outside():
    port = free_port()
    with holding(entry(port, free_port())), connected(port) as client:
        assert client.recv(1) == b""


def test_nothing_runs_until_somebody_connects(echoed):
    assert children(echoed[1].pid) == []


def test_one_fork_serves_many(echoed):
    for _ in range(5):
        assert ask(echoed[0], b"x") == b"x"
    assert len(children(echoed[1].pid)) == 1


def test_killed_relay_has_a_successor(echoed):
    ask(echoed[0], b"x")
    (first,) = children(echoed[1].pid)
    os.kill(first, signal.SIGKILL)
    assert ask(echoed[0], b"again") == b"again"
    assert children(echoed[1].pid) != [first]


def test_relay_dies_with_its_supervisor(echoed):
    ask(echoed[0], b"x")
    (child,) = children(echoed[1].pid)
    echoed[1].kill()
    assert echoed[1].wait() == -signal.SIGKILL
    wait_for(lambda: not os.path.exists(f"/proc/{child}") or _is_zombie(child))


def _is_zombie(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


def test_relay_ends_when_there_is_nothing_to_carry():
    descriptor = bind("127.0.0.1", 0, "tcp", listen=True).detach()
    carrier = relay.Relay([(descriptor, "tcp", "127.0.0.1", 1)], idle=0.05)
    carrier.run()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.close(descriptor)


@pytest.fixture
def limit():
    """So many descriptors may this process have, until the test is over."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_NOFILE, (most, limits[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_connection_that_cannot_be_taken_is_not_asked_about_at_once(limit):
    descriptor = bind("127.0.0.1", 0, "tcp", listen=True).detach()
    carrier = relay.Relay([(descriptor, "tcp", "127.0.0.1", 1)], idle=0.05)
    with socket.socket(fileno=os.dup(descriptor)) as door:
        client = socket.create_connection(door.getsockname())
    limit(3)
    carrying = threading.Thread(target=carrier.run, daemon=True)  # ends, as nothing happens
    carrying.start()
    carrying.join(PATIENCE)
    assert not carrying.is_alive()
    client.close()


def test_streams_have_a_bound_of_their_own(limit):
    limit(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    assert relay.Relay([]).most_streams == 4096


def test_connections_beyond_the_bound_wait_their_turn():
    port = free_port()
    with serving(echo) as inside, holding(entry(port, inside), descriptors=80):
        first = [connected(port) for _ in range(30)]
        first[-1].settimeout(0.5)
        first[-1].sendall(b"x")
        with pytest.raises(TimeoutError):
            first[-1].recv(1)
        for client in first[:-1]:
            client.close()
        first[-1].settimeout(PATIENCE)
        assert first[-1].recv(1) == b"x"
        first[-1].close()


def test_ports_of_a_run_lead_to_one_each():
    port = free_port()
    with serving(echo) as inside, holding(entry(port - 1, inside - 1, count=2)):
        assert ask(port, b"second") == b"second"


def test_ipv6_inside():
    port = free_port()
    with serving(echo, "::1") as inside, holding(entry(port, inside, host_ip="127.0.0.1", address="::1")):
        assert ask(port, b"six", "127.0.0.1") == b"six"


# -- datagrams -----------------------------------------------------------------------------------------
@pytest.fixture
def well():
    """The published port of a server of datagrams, and that server."""
    port = free_port(socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(PATIENCE)
        inside = server.getsockname()[1]
        with holding(entry(port, inside, host_ip="::", protocol="udp")) as holder:
            yield port, server, holder


def client_of(port, address="::1"):
    client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    client.settimeout(PATIENCE)
    client.connect((address, port))
    return client


def test_each_client_gets_its_own_answers(well):
    port, server, _ = well
    with client_of(port) as one, client_of(port) as other:
        for client in (one, other):
            client.send(str(client.getsockname()[1]).encode())
        for _ in range(2):
            content, peer = server.recvfrom(100)
            server.sendto(b"to " + content, peer)
        for client in (one, other):
            assert client.recv(100) == f"to {client.getsockname()[1]}".encode()


def test_client_keeps_its_flow(well):
    port, server, _ = well
    with client_of(port) as client:
        peers = set()
        for _ in range(3):
            client.send(b"x")
            peers.add(server.recvfrom(100)[1])
    assert len(peers) == 1


def test_datagram_is_one_whatever_its_size(well):
    port, server, _ = well
    with client_of(port) as client:
        client.send(b"")
        client.send(bytes(60000))
        assert [len(server.recv(65536)), len(server.recv(65536))] == [0, 60000]


def test_answer_comes_from_the_address_that_was_asked():
    port = free_port(socket.SOCK_DGRAM)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        for one in (server, client):
            one.settimeout(PATIENCE)
        server.bind(("127.0.0.1", 0))
        with holding(entry(port, server.getsockname()[1], host_ip="0.0.0.0", protocol="udp")):
            client.connect(("127.8.9.1", port))  # an answer from 127.0.0.1 would not get through
            client.send(b"question")
            question, peer = server.recvfrom(100)
            server.sendto(b"answer to " + question, peer)
            assert client.recv(100) == b"answer to question"


def test_clients_beyond_the_bound_take_the_place_of_the_oldest(well):
    port, server, holder = well
    with client_of(port) as first:
        first.send(b"first")
        server.recv(100)
        (child,) = children(holder.pid)
        others = []
        for _ in range(300):
            others.append(client_of(port))
            others[-1].send(b"other")
            server.recv(100)
        # A quarter of the 1024 descriptors that the process may have.
        assert len(os.listdir(f"/proc/{child}/fd")) < 260
        for other in others:
            other.close()


def test_what_route_localnet_lets_in_is_refused():
    assert relay._is_foreign("127.0.0.1", "192.0.2.1")


def test_loopback_is_no_stranger_to_itself():
    assert not relay._is_foreign("127.0.0.1", "127.0.0.1")
