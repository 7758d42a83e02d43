"""What published ports let in, what they do not, whose they are, and what is relayed, with real containers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.netlab_hosts import FAR, NEAR, Host, Hosts, open_hosts, until
from tests.support.netlab_servers import ECHO, IMAGE, REDIS, WEB, make_archive

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

HERE, THERE = NEAR.format(1), FAR.format(1)
_NAMED_ECHO = ("socat", "UDP4-RECVFROM:7,fork,reuseaddr", "SYSTEM:hostname")
_SENDER = """\
import socket, sys, time
end, last = time.monotonic() + 30, ""
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.connect((sys.argv[1], int(sys.argv[2])))
    sender.settimeout(0.02)
    while time.monotonic() < end:
        try:
            sender.send(b"who?")
            answer = sender.recv(100).decode().strip()
        except OSError:
            time.sleep(0.02)
            continue
        if answer != last:
            print(answer, flush=True)
            last = answer
"""
"""Goes on sending from one port, and prints who answers whenever that is another one."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Hosts]:
    with open_hosts() as made:
        made.engine.tuidock("import", make_archive(made.folder), IMAGE)
        made.engine.run("sysctl", "-q", "-w", "net.ipv4.conf.up0.route_localnet=1")
        yield made


@pytest.fixture
def hosts(lab: Hosts) -> Iterator[Hosts]:
    yield lab
    left = lab.engine.tuidock("ps", "-aq", "--no-trunc").split()
    if left:
        lab.engine.tuidock("rm", "-f", *left)


def run(hosts: Hosts, *arguments: str) -> None:
    hosts.engine.tuidock("run", "-d", *arguments)


def reaches(host: Host, address: str, port: int) -> bool:
    """Whether there is a page there; one that is there has been seen before this is asked."""
    code = "import sys, urllib.request as u; u.urlopen(f'http://{sys.argv[1]}:{sys.argv[2]}/', timeout=1)"
    command = host.argv(sys.executable, "-c", code, address, str(port))
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


def relay_of(hosts: Hosts, name: str) -> list[int]:
    pid = hosts.engine.supervisor(name)
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        found = [int(word) for word in file.read().split()]
    return [child for child in found if _name(child) == "tuidock-relay"]


def _name(pid: int) -> str:
    with open(f"/proc/{pid}/comm", encoding="ascii") as file:
        return file.read().strip()


# -- who gets in -----------------------------------------------------------------------------------
def test_a_port_of_one_address_is_there_only(hosts: Hosts) -> None:
    run(hosts, "--name", "web", "-h", "web", "-p", f"{HERE}:8080:80", IMAGE, *WEB)
    assert hosts.client.get(HERE) == f"web {hosts.client.address}"
    assert not reaches(hosts.far, THERE, 8080)


def test_a_port_of_loopback_is_not_for_those_who_route_there(hosts: Hosts) -> None:
    run(hosts, "--name", "well", "-p", "127.0.0.1:7:7/udp", IMAGE, "socat", "-u", "UDP4-RECV:7", "STDOUT")
    until(lambda: send(hosts.engine, "ours", 7) or "ours" in hosts.engine.tuidock("logs", "well"))
    spoof = hosts.client
    spoof.ip("route", "del", "local", "127.0.0.0/8", "table", "local")
    spoof.ip("route", "del", "local", "127.0.0.1", "table", "local")
    spoof.ip("route", "add", "127.0.0.0/8", "via", HERE, "src", spoof.address)
    other = hosts.engine.argv("socat", "-u", "UDP4-RECV:8081,bind=127.0.0.1", "STDOUT")
    with subprocess.Popen(other, stdout=subprocess.PIPE) as control:
        assert control.stdout is not None
        os.set_blocking(control.stdout.fileno(), False)
        try:
            # What is not ours is had by this way: whoever listens there hears it.
            until(
                lambda: (
                    send(spoof, "theirs", 7)
                    or send(spoof, "theirs", 8081)
                    or b"theirs" in (control.stdout.read() or b"")  # type: ignore[union-attr]
                )
            )
        finally:
            control.kill()
            spoof.ip("route", "del", "127.0.0.0/8", "via", HERE)
            spoof.ip("link", "set", "lo", "down")
            spoof.ip("link", "set", "lo", "up")  # with its routes
    assert "theirs" not in hosts.engine.tuidock("logs", "well")


def send(host: Host, text: str, port: int) -> None:
    """A datagram to 127.0.0.1, wherever that is."""
    code = "from socket import *; import sys; socket(type=2).sendto(sys.argv[1].encode(), ('127.0.0.1', int(sys.argv[2])))"
    host.run(sys.executable, "-I", "-S", "-c", code, text, str(port))


# -- what is relayed -------------------------------------------------------------------------------
@pytest.fixture
def plain(hosts: Hosts) -> Hosts:
    """A container without IPv6 whose port is published on all addresses."""
    run(hosts, "--name", "web", "-h", "web", "-p", "8080:80", IMAGE, *WEB)
    return hosts


@pytest.mark.parametrize("who", ["client", "far", "engine"])
def test_ipv6_reaches_a_container_that_has_none(plain: Hosts, who: str) -> None:
    assert getattr(plain, who).get(plain.engine.address6).startswith("web ")


def test_loopback_reaches_a_container_over_ipv6(plain: Hosts) -> None:
    assert plain.engine.get("::1").startswith("web ")


def test_a_link_local_address_reaches_a_container(plain: Hosts) -> None:
    shown = plain.engine.ip("-6", "-br", "addr", "show", "dev", "up0", "scope", "link")
    address = next(word for word in shown.split() if word.startswith("fe80")).split("/")[0]
    assert plain.client.run("curl", "-s", "-m", "5", f"http://[{address}%25up0]:8080/").startswith("web ")


def test_nothing_relays_what_the_rules_lead(plain: Hosts) -> None:
    plain.client.get(HERE)
    plain.engine.get("127.0.0.1")
    assert relay_of(plain, "web") == []


def test_a_killed_relay_has_a_successor(plain: Hosts) -> None:
    plain.engine.get("::1")
    (relay,) = relay_of(plain, "web")
    os.kill(relay, signal.SIGKILL)
    assert plain.engine.get("::1").startswith("web ")
    assert plain.engine.tuidock("ps", "--format", "{{.Names}} {{.State}}") == "web running"


def test_a_relay_serves_the_next_run_too(plain: Hosts) -> None:
    plain.engine.get("::1")
    plain.engine.tuidock("restart", "-t", "0", "web")
    assert plain.engine.get("::1").startswith("web ")


def test_a_relay_goes_with_its_container(plain: Hosts) -> None:
    plain.engine.get("::1")
    (relay,) = relay_of(plain, "web")
    plain.engine.tuidock("rm", "-f", "web")
    assert not os.path.exists(f"/proc/{relay}")


def test_a_paused_container_lets_its_clients_wait(hosts: Hosts) -> None:
    run(hosts, "--name", "redis", "-p", "6379:6379", IMAGE, *REDIS)
    with hosts.engine.talk("::1", 6379) as redis:
        assert redis.say("SET paused 1") == "+OK"
        hosts.engine.tuidock("pause", "redis")
        redis.write("INCR paused")
        hosts.engine.tuidock("unpause", "redis")
        assert redis.read() == ":2"


def test_datagrams_are_relayed(hosts: Hosts) -> None:
    run(hosts, "-p", "7:7/udp", IMAGE, *ECHO)
    assert hosts.engine.echo("::1", 7, "round trip") == "round trip"


# -- a client that goes on sending -------------------------------------------------------------------
def test_datagrams_follow_the_port_to_its_next_container(hosts: Hosts) -> None:
    run(hosts, "--name", "first", "-h", "first", "-p", "7:7/udp", IMAGE, *_NAMED_ECHO)
    command = hosts.client.argv(sys.executable, "-c", _SENDER, HERE, "7")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:
        assert sender.stdout is not None
        try:
            answers = [sender.stdout.readline().strip()]
            hosts.engine.tuidock("rm", "-f", "first")
            run(hosts, "--name", "heir", IMAGE, "sleep", "1000")  # of its address
            run(hosts, "--name", "second", "-h", "second", "-p", "7:7/udp", IMAGE, *_NAMED_ECHO)
            answers.append(sender.stdout.readline().strip())
        finally:
            sender.kill()
    assert answers == ["first", "second"]


# -- whose a port is -------------------------------------------------------------------------------
def refusal(hosts: Hosts, *ports: str) -> str:
    """What the start of a container with ``ports`` says; it is created, and not started."""
    options = [word for port in ports for word in ("-p", port)]
    done = subprocess.run(
        hosts.engine.argv(
            *hosts.engine.program("run", "-d", "--name", "refused", *options, IMAGE, "sleep", "1000")
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    listed = hosts.engine.tuidock("ps", "-a", "-f", "name=refused", "--format", "{{.State}}")
    assert (done.returncode, listed) == (125, "created")
    return done.stderr.splitlines()[0]


@pytest.mark.parametrize(
    ("has", "asked", "where"),
    [
        ("8080:80", "8080:80", "0.0.0.0:8080"),
        ("8080:80", f"{HERE}:8080:80", f"{HERE}:8080"),
        ("127.0.0.1:8080:80", "8080:80", "0.0.0.0:8080"),
        ("[::1]:8080:80", "8080:80", "[::]:8080"),
        ("[::]:8080:80", "[::1]:8080:80", "[::1]:8080"),
        ("8000-8100:8000-8100", "8080:80", "0.0.0.0:8080"),
        ("8080:80/udp", "8080:80/udp", "0.0.0.0:8080"),
    ],
)
def test_a_taken_port_says_which_container_has_it(hosts: Hosts, has: str, asked: str, where: str) -> None:
    run(hosts, "--name", "web", "-p", has, IMAGE, "sleep", "1000")
    assert refusal(hosts, asked) == (
        f"tuidock: Bind for {where} failed: port is already allocated (by container web)"
    )


def test_a_taken_port_says_which_program_has_it(hosts: Hosts) -> None:
    hosts.serve(hosts.engine, sys.executable, "-m", "http.server", "-b", "127.0.0.1", "8082")
    until(lambda: reaches(hosts.engine, "127.0.0.1", 8082))
    assert "Bind for 0.0.0.0:8082 failed: port is already allocated (by python" in refusal(hosts, "8082:80")


def test_a_container_of_another_root_is_named(hosts: Hosts) -> None:
    run(hosts, "--name", "theirs", "-p", "8080:80", IMAGE, "sleep", "1000")
    code = (
        "from engine.network.ports import bind_ports; from engine.options import PortSpec;"
        "bind_ports((PortSpec(container_port=80, host_port=8080),))"
    )
    assert "by container theirs" in hosts.engine.run(sys.executable, "-c", code, check=False)


def test_one_port_for_each_protocol_and_address_is_fine(hosts: Hosts) -> None:
    run(hosts, "-p", "127.0.0.1:8080:80", "-p", f"{HERE}:8080:80", "-p", "8080:80/udp", IMAGE, "sleep", "9")
    run(hosts, "-p", f"{THERE}:8080:80", "-p", "[::1]:8080:80", IMAGE, "sleep", "9")


# -- ports that are chosen ---------------------------------------------------------------------------
def test_a_range_of_host_ports_gives_each_container_the_next(hosts: Hosts) -> None:
    shown = []
    for name in ("one", "two", "three"):
        run(hosts, "--name", name, "-p", "8000-8010:80", IMAGE, "sleep", "1000")
        shown.append(hosts.engine.tuidock("port", name, "80"))
    assert shown == [f"0.0.0.0:{port}\n[::]:{port}" for port in (8000, 8001, 8002)]


def test_starts_at_once_choose_a_port_each(hosts: Hosts) -> None:
    starts = [hosts.engine.start("run", "-d", "-p", "9000-9015:80", IMAGE, "sleep", "1000") for _ in range(8)]
    assert [start.wait(60) for start in starts] == [0] * 8
    names = hosts.engine.tuidock("ps", "-q").split()
    assert len({hosts.engine.tuidock("port", name) for name in names}) == 8


def test_every_exposed_port_is_published(hosts: Hosts) -> None:
    run(hosts, "--name", "all", "-P", "--expose", "80", "--expose", "53/udp", IMAGE, "sleep", "1000")
    shown = [line.split(" -> ")[0] for line in hosts.engine.tuidock("port", "all").splitlines()]
    assert shown == ["53/udp", "53/udp", "80/tcp", "80/tcp"]


def test_a_thousand_ports_are_two_rules(hosts: Hosts) -> None:
    run(hosts, "--name", "many", "-p", "6000-6999:6000-6999", IMAGE, *REDIS)
    assert hosts.engine.nft("list", "ruleset").count("6000-6999") == 2
    with hosts.client.talk(HERE, 6379) as redis:
        assert redis.say("PING") == "+PONG"
