"""The name server inside a container's namespace, on a real loop and in a real namespace."""

from __future__ import annotations

import base64
import os
import resource
import secrets
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from engine.network.names import rewrite_items
from engine.network.plan.names import NamesPlan
from engine.network.template import Templates
from engine.shim.loop import Loop
from engine.shim.network import within
from engine.shim.resolver import Resolver
from tests.support.dns_client import packet_of, read_answer
from tests.support.name_server import NameServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root
SERVER = ("127.0.0.11", 53)
PATIENCE = 20
A, PTR, AAAA, ANY, HTTPS = 1, 12, 28, 255, 65


class Netns:
    """A network namespace with its loopback up."""

    def __init__(self) -> None:
        self.name = f"td{secrets.token_hex(4)}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)
        self.fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)

    def socket(self, kind: int) -> socket.socket:
        made: list[socket.socket] = []
        within(self.fd, lambda: made.append(socket.socket(socket.AF_INET, kind)))
        made[0].settimeout(PATIENCE)
        return made[0]

    def close(self) -> None:
        os.close(self.fd)
        subprocess.run(["ip", "netns", "del", self.name], check=True)


@pytest.fixture
def netns() -> Iterator[Netns]:
    made = Netns()
    yield made
    made.close()


class Served:
    """A resolver of a container that is alone in its network, by the names that the test gives it."""

    def __init__(self, netns: Netns, folder: Path, **changes: Any) -> None:
        self.netns, self.loop = netns, Loop()
        items = rewrite_items(Templates(f"{folder}/templates"))
        entry = {
            "name": "me",
            "aliases": ["svc"],
            "addresses": [f"10.0.0.{place}" for place in (2, 3, 4)],
            "lock": f"{folder}/lock",
        }
        network = {"network": "n1", "path": f"{folder}/n1/me", "entry": entry, "links": {}}
        plan = msgspec.to_builtins(NamesPlan(forward="nowhere", rewrite=items))
        self.resolver = Resolver({**plan, "networks": [network], **changes}, netns.fd, within)
        self.resolver.names.publish()
        self.resolver.attend(self.loop)

    def until(self, ready: Any) -> None:
        end = time.monotonic() + PATIENCE
        while not ready() and time.monotonic() < end:
            self.loop.turn(20)

    def ask(self, name: str, kind: int = A) -> Any:
        """[rcode, truncated, answers] by datagram."""
        packet = packet_of(name, kind)
        with self.netns.socket(socket.SOCK_DGRAM) as asking:
            asking.connect(SERVER)
            asking.send(packet)
            answers: list[bytes] = []
            self.until(lambda: _take(asking, answers))
        return read_answer(answers[0], packet)

    def connect(self) -> socket.socket:
        asking = self.netns.socket(socket.SOCK_STREAM)
        asking.connect(SERVER)
        return asking

    def read(self, asking: socket.socket, size: int) -> bytes:
        """``size`` bytes of a stream, or what comes before its end."""
        got = bytearray()
        asking.setblocking(False)

        def whole() -> bool:
            try:
                content = asking.recv(size - len(got))
            except BlockingIOError:
                return False
            except ConnectionResetError:
                return True
            got.extend(content)
            return not content or len(got) == size

        self.until(whole)
        return bytes(got)

    def read_message(self, asking: socket.socket) -> bytes:
        return self.read(asking, int.from_bytes(self.read(asking, 2), "big"))


def _take(asking: socket.socket, answers: list[bytes]) -> bool:
    asking.setblocking(False)
    try:
        answers.append(asking.recv(65535))
    except BlockingIOError:
        return False
    return True


@pytest.fixture
def serve(netns: Netns, tmp_path: Path) -> Iterator[Any]:
    made: list[Served] = []

    def call(**changes: Any) -> Served:
        made.append(Served(netns, tmp_path, **changes))
        return made[-1]

    yield call
    for served in made:
        served.resolver.close()


def framed(packet: bytes) -> bytes:
    return len(packet).to_bytes(2, "big") + packet


@pytest.mark.parametrize(
    ("name", "kind", "answers"),
    [
        ("2.0.0.10.in-addr.arpa", PTR, ["me.n1"]),
        ("me", AAAA, []),
        ("me", PTR, []),
        ("ME.N1", HTTPS, []),
    ],
)
def test_what_is_known_is_answered_here(serve, name, kind, answers):
    assert serve().ask(name, kind) == [0, False, answers]


@pytest.mark.parametrize("kind", [A, ANY])
def test_all_addresses_are_answered(serve, kind):
    assert sorted(serve().ask("svc", kind)[2]) == ["10.0.0.2", "10.0.0.3", "10.0.0.4"]


def test_each_address_comes_first_in_its_turn(serve):
    served = serve()
    assert {served.ask("svc")[2][0] for _ in range(3)} == {"10.0.0.2", "10.0.0.3", "10.0.0.4"}


def test_a_container_without_a_way_out_asks_nobody(serve):
    assert serve().ask("other.example") == [2, False, []]


@pytest.mark.parametrize(
    ("qualified", "asked"), [(False, ["single", "a.example"]), (True, ["a.example"])], ids=["", "ndots"]
)
def test_a_name_without_a_dot_is_asked_of_others_unless_ndots_is_set(serve, qualified, asked):
    with NameServer() as server:
        served = serve(forward="host", servers=[server.address], qualified=qualified)
        answers = [served.ask(name)[0] for name in ("single", "a.example")]
        assert (answers, server.asked) == ([0, 0], asked)


def test_servers_of_the_container_are_asked_in_its_namespace(serve, netns):
    inside: list[NameServer] = []
    within(netns.fd, lambda: inside.append(NameServer("127.0.0.1")))
    with inside[0] as server:
        answer = serve(forward="container", servers=["127.0.0.1"]).ask("web.example")
    assert (answer, server.asked) == ([0, False, ["192.0.2.1"]], ["web.example"])


def test_the_resolver_does_not_ask_itself(serve):
    assert serve(forward="container", servers=["127.0.0.11", "127.0.0.1"]).ask("web.example")[0] == 2


def test_port_53_of_all_addresses_is_the_container_s_own(serve, netns):
    served, own = serve(), []
    within(netns.fd, lambda: own.append(NameServer("0.0.0.0")))
    with own[0] as server, netns.socket(socket.SOCK_DGRAM) as asking:
        asking.sendto(packet_of("web.example", A), ("127.0.0.1", 53))
        asking.recv(512)
        assert (server.asked, served.ask("me")[0]) == (["web.example"], 0)


OWN_RULES = """
table ip own {
  chain out {
    type filter hook output priority 0; policy drop;
    ct state new meta l4proto { tcp, udp } th dport 53 accept
    ct state established accept
  }
  chain in {
    type filter hook input priority 0; policy drop;
    ct state new ip daddr 127.0.0.11 th dport 53 accept
    ct state established accept
  }
}
"""


def test_rules_of_the_container_s_own_see_port_53(serve, netns):
    subprocess.run(
        ["ip", "netns", "exec", netns.name, "nft", "-f", "-"], input=OWN_RULES.encode(), check=True
    )
    served, packet = serve(), packet_of("me", A)
    with served.connect() as asking:
        asking.sendall(framed(packet))
        by_stream = read_answer(served.read_message(asking), packet)
    assert (served.ask("me")[0], by_stream[0]) == (0, 0)


def test_a_kernel_that_rewrites_no_ports_gives_port_53_itself(serve, netns):
    broken = {"family": 12, "message": base64.b64encode(b"\x14\0\0\0\x7f\x0a\5\0" + bytes(12)).decode()}
    served = serve(rewrite=[{**broken, "expect_acks": 1, "ignore_errno": [], "ports": []}])
    listed = subprocess.run(
        ["ip", "netns", "exec", netns.name, "nft", "list", "ruleset"], capture_output=True
    )
    assert (sorted(served.ask("me")[2]), listed.stdout) == (["10.0.0.2", "10.0.0.3", "10.0.0.4"], b"")


@pytest.mark.parametrize("garbage", [b"", b"\0", b"\0" * 12, b"\xff" * 512, os.urandom(4000)])
def test_garbage_does_no_harm(serve, netns, garbage):
    served = serve()
    with netns.socket(socket.SOCK_DGRAM) as asking:
        asking.sendto(garbage, SERVER)
    with served.connect() as asking:
        asking.sendall(garbage)
    assert served.ask("me")[0] == 0


# -- by stream -----------------------------------------------------------------------------------------
def test_many_questions_at_once_are_answered_in_order(serve):
    served = serve()
    packets = [packet_of(name, A) for name in ("me", "svc", "nobody.example") * 200]
    with served.connect() as asking:
        asking.sendall(b"".join(map(framed, packets)))
        answers = [served.read_message(asking) for _ in packets]
    assert [read_answer(answer, packet)[0] for answer, packet in zip(answers, packets, strict=True)] == (
        [0, 0, 2] * 200
    )


def test_a_question_may_come_byte_by_byte(serve):
    served, packet = serve(), packet_of("me", A)
    with served.connect() as asking:
        for byte in framed(packet):
            asking.sendall(bytes((byte,)))
            served.loop.turn(50)
        assert len(read_answer(served.read_message(asking), packet)[2]) == 3


def test_a_client_that_goes_does_no_harm(serve):
    with NameServer() as server:
        served = serve(forward="host", servers=[server.address])
        with served.connect() as asking:
            asking.sendall(framed(packet_of("silent.example", A)))
            served.until(lambda: server.asked)
        served.loop.turn(100)
        assert served.ask("me")[0] == 0


def test_what_is_no_question_ends_a_stream(serve):
    served = serve()
    with served.connect() as asking:
        asking.sendall(framed(b"\0\1"))
        assert served.read(asking, 1) == b""


def test_streams_are_bounded(serve):
    served = serve()
    clients = []
    for _ in range(101):
        clients.append(served.connect())
        served.loop.turn(50)
    assert served.read(clients[-1], 1) == b""
    packet = packet_of("me", A)
    clients[0].sendall(framed(packet))
    assert read_answer(served.read_message(clients[0]), packet)[0] == 0
    for client in clients:
        client.close()


def test_without_a_descriptor_clients_wait(serve):
    served, packet = serve(), packet_of("me", A)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with served.connect() as asking:
        asking.sendall(framed(packet))
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            served.loop.turn(50)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert served.ask("me")[0] == 0
        assert read_answer(served.read_message(asking), packet)[0] == 0


def test_nothing_is_left_of_it(serve, netns, tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    served = serve()
    asking = served.connect()
    served.loop.turn(50)
    asking.close()
    served.resolver.close()
    assert (len(os.listdir("/proc/self/fd")), os.listdir(tmp_path / "n1")) == (before, [])
