"""Questions asked of other servers: real ones, on loopback addresses of their own."""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import TYPE_CHECKING, Any

import pytest

from engine.shim import dns
from engine.shim.forwarding import Forwarder, Servers
from engine.shim.loop import Loop
from tests.support.name_server import BIG, NameServer, loopback_address, query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root
PATIENCE = 20


@pytest.fixture
def server() -> Iterator[NameServer]:
    with NameServer() as made:
        yield made


class Asker:
    """A forwarder and its loop."""

    def __init__(self, *servers: str) -> None:
        self.loop = Loop()
        self.forwarder = Forwarder(self.loop, lambda: servers, lambda call: call())
        self.answers: list[bytes] = []

    def send(self, name: str, *, stream: bool = False, packet: bytes = b"") -> None:
        packet = packet or query(name)
        question = dns.read_question(packet)
        assert question is not None
        self.forwarder.ask(question, packet, self.answers.append, stream=stream)

    def wait(self, count: int = 1) -> list[bytes]:
        end = time.monotonic() + PATIENCE
        while len(self.answers) < count and time.monotonic() < end:
            self.loop.turn(100)
        return self.answers

    def ask(self, name: str, **options: Any) -> bytes:
        self.send(name, **options)
        return self.wait()[0]


def test_an_answer_is_handed_on_under_the_client_s_id(server):
    answer = Asker(server.address).ask("web.example")
    assert (answer[:2], dns.rcode_of(answer), answer[-4:]) == (b"\x12\x34", 0, b"\xc0\x00\x02\x01")


def test_the_case_of_letters_is_kept(server):
    answer = Asker(server.address).ask("wEb.eXample")
    assert (server.asked, b"\3wEb\7eXample" in answer) == (["wEb.eXample"], True)


def test_that_there_is_no_such_name_is_an_answer(server):
    asker = Asker(server.address, server.address)
    assert (dns.rcode_of(asker.ask("none.example")), len(server.asked)) == (dns.NXDOMAIN, 1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_fails_is_followed_by_the_next(server, stream):
    with NameServer(always="good") as other:
        answer = Asker(server.address, other.address).ask("fail.example", stream=stream)
    assert (len(server.asked), answer[-4:]) == (1, b"\xc0\x00\x02\x01")


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_is_not_there_is_followed_by_the_next(server, stream):
    answer = Asker(loopback_address(), server.address).ask("web.example", stream=stream)
    assert answer[-4:] == b"\xc0\x00\x02\x01"


@pytest.mark.parametrize("stream", [False, True])
def test_without_any_server_the_client_is_told_so(stream):
    answer = Asker(loopback_address()).ask("web.example", stream=stream)
    assert (answer[:2], dns.rcode_of(answer)) == (b"\x12\x34", dns.SERVFAIL)


def test_a_silent_server_is_followed_by_the_next(server):
    with NameServer(always="silent") as silent:
        answer = Asker(silent.address, server.address).ask("web.example")
    assert answer[-4:] == b"\xc0\x00\x02\x01"


def test_silence_is_a_failure_in_the_end(server):
    assert dns.rcode_of(Asker(server.address).ask("silent.example")) == dns.SERVFAIL
    assert server.asked == ["silent.example"] * 3


def test_what_answers_something_else_is_no_answer(server):
    assert Asker(server.address).ask("spoof.example")[-4:] == b"\xc0\x00\x02\x01"


def test_each_question_has_a_port_and_an_id_of_its_own(server):
    asker = Asker(server.address)
    for _ in range(20):
        asker.send("web.example")
    asker.wait(20)
    assert len(set(server.clients)) == 20


def test_that_an_answer_is_cut_is_handed_on(server):
    assert Asker(server.address).ask("big.example")[2] & 2


def test_by_stream_it_is_whole(server):
    answer = Asker(server.address).ask("big.example", stream=True)
    assert (struct.unpack_from(">H", answer, 6)[0], server.asked) == (BIG, ["tcp:big.example"])


def test_an_answer_longer_than_the_client_s_datagram_is_cut(server):
    answer = Asker(server.address).ask("long.example")
    assert (len(answer) <= 512, answer[2] & 2, struct.unpack_from(">H", answer, 6)[0]) == (True, 2, 0)


def test_too_many_questions_are_refused_at_once(server):
    asker = Asker(server.address)
    for _ in range(300):
        asker.send("silent.example")
    assert [dns.rcode_of(answer) for answer in asker.answers] == [dns.SERVFAIL] * 44
    asker.forwarder.close()


def test_nothing_stays_open(server):
    with socket.create_server((loopback_address(), 53)) as idle:  # connects, and never answers
        before = os.listdir("/proc/self/fd")
        asker = Asker(server.address)
        asker.ask("web.example")
        asker.send("silent.example")
        asker.send("silent.example")
        stream = Asker(idle.getsockname()[0])
        stream.send("web.example", stream=True)
        during = len(os.listdir("/proc/self/fd"))
        asker.forwarder.close()
        stream.forwarder.close()
        assert (during, len(os.listdir("/proc/self/fd"))) == (len(before) + 3, len(before))


# -- the host's servers --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 10.0.0.53\nnameserver fe80::1%eth0\n", ("10.0.0.53", "fe80::1%eth0")),
        ("# none\nnameserver\nnameserver x\n nameserver 127.0.0.53 # stub\n", ("127.0.0.53",)),
        ("".join(f"nameserver 10.0.0.{place}\n" for place in range(9)), ("10.0.0.0", "10.0.0.1", "10.0.0.2")),
        ("", ("8.8.8.8", "8.8.4.4")),
    ],
)
def test_servers_of_a_resolv_conf(tmp_path: Path, text, servers):
    (tmp_path / "resolv.conf").write_text(text)
    assert Servers(f"{tmp_path}/resolv.conf").now() == servers


def test_a_resolv_conf_that_changes_counts_at_once(tmp_path: Path):
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 10.0.0.1\n")
    servers = Servers(str(path))
    seen = [servers.now()]
    (tmp_path / "new").write_text("nameserver 10.0.0.2\n")
    os.rename(tmp_path / "new", path)
    seen.append(servers.now())
    path.unlink()
    assert [*seen, servers.now()] == [("10.0.0.1",), ("10.0.0.2",), ("10.0.0.2",)]
