"""Real servers in containers, used by several hosts at once: published ports, and what befalls them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.netlab_hosts import FAR, FAR6, NEAR, NEAR6, Hosts, open_hosts, until
from tests.support.netlab_servers import ECHO, IMAGE, REDIS, WEB, make_archive

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

HERE, THERE = NEAR.format(1), FAR.format(1)
HERE6, THERE6 = NEAR6.format(1), FAR6.format(1)
"""The container host's addresses, on its two networks."""


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with open_hosts() as made:
        made.engine.tuidock("import", make_archive(made.folder), IMAGE)
        made.engine.tuidock("run", "--rm", IMAGE, "true")  # the default bridge stays from then on
        yield made


@pytest.fixture(scope="module")
def standing(hosts: Hosts) -> Hosts:
    """The hosts with the servers that stay: ``web`` on 8080, ``redis`` on 6379, ``echo`` on 7."""
    hosts.engine.tuidock("network", "create", "--ipv6", "dual")
    for name, ports, command in (
        ("web", "8080:80", WEB),
        ("redis", "6379:6379", REDIS),
        ("echo", "7:7/udp", ECHO),
    ):
        hosts.engine.tuidock(
            "run", "-d", "--name", name, "-h", name, "--network", "dual", "-p", ports, IMAGE, *command
        )
    return hosts


@pytest.fixture
def passing(hosts: Hosts) -> Iterator[Hosts]:
    """The hosts for containers that are a test's own: whatever it leaves is removed, and then nothing is left."""
    before = hosts.engine.tuidock("ps", "-aq", "--no-trunc").split()
    state = hosts.engine.network_state()
    yield hosts
    left = [name for name in hosts.engine.tuidock("ps", "-aq", "--no-trunc").split() if name not in before]
    if left:
        hosts.engine.tuidock("rm", "-f", *left)
    hosts.engine.tuidock("network", "prune", "-f")
    until(lambda: hosts.engine.network_state() == state)


@pytest.mark.parametrize(
    ("who", "address"),
    [
        ("client", HERE),
        ("far", THERE),
        ("far", HERE),
        ("engine", HERE),
        ("engine", THERE),
        ("engine", "127.0.0.1"),
        ("client", HERE6),
        ("far", THERE6),
        ("far", HERE6),
        ("engine", HERE6),
        ("engine", THERE6),
        ("engine", "::1"),
    ],
)
def test_a_published_page_is_had(standing: Hosts, who: str, address: str) -> None:
    assert getattr(standing, who).get(address).startswith("web ")


@pytest.mark.parametrize("who", ["client", "far"])
def test_the_server_sees_its_client(standing: Hosts, who: str) -> None:
    asking = getattr(standing, who)
    assert (asking.get(HERE), asking.get(HERE6)) == (f"web {asking.address}", f"web {asking.address6}")


def test_the_server_s_log_names_its_client(standing: Hosts) -> None:
    standing.client.get(HERE)
    until(lambda: f"\n{NEAR.format(2)} - - " in f"\n{standing.engine.tuidock('logs', 'web')}")


@pytest.mark.parametrize("address", [HERE, HERE6])
@pytest.mark.parametrize("who", ["client", "far", "engine"])
def test_a_datagram_comes_back(standing: Hosts, who: str, address: str) -> None:
    assert getattr(standing, who).echo(address, 7, "round trip") == "round trip"


@pytest.mark.parametrize("address", [HERE, f"[{HERE6}]"])
def test_a_container_on_another_network_reaches_the_port_by_the_host_s_address(
    standing: Hosts, passing: Hosts, address: str
) -> None:
    passing.engine.tuidock("network", "create", "--ipv6", "other")
    asked = ("wget", "-q", "-O", "-", f"http://{address}:8080/")
    assert standing.engine.tuidock("run", "--rm", "--network", "other", IMAGE, *asked).startswith("web ")


@pytest.mark.parametrize("address", [HERE, f"[{HERE6}]"])
def test_a_container_reaches_its_own_port_by_the_host_s_address(standing: Hosts, address: str) -> None:
    asked = ("wget", "-q", "-O", "-", f"http://{address}:8080/")
    assert standing.engine.tuidock("exec", "web", *asked).startswith("web ")


def test_a_connection_stays_while_other_containers_come_and_go(standing: Hosts) -> None:
    with standing.client.talk(HERE, 6379) as redis:
        assert redis.say("SET come-and-go 0") == "+OK"
        for turn in range(1, 5):
            standing.engine.tuidock("run", "--rm", "-p", "9001:80", IMAGE, "true")
            assert redis.say("INCR come-and-go") == f":{turn}"


@pytest.mark.parametrize("address", [HERE, HERE6])
def test_a_connection_outlives_a_partition(standing: Hosts, address: str) -> None:
    with standing.client.talk(address, 6379) as redis:
        redis.say("SET parted 1")
        standing.part()
        redis.write("INCR parted")
        standing.rejoin()
        assert redis.read() == ":2"


def test_a_page_is_had_again_after_a_partition(standing: Hosts) -> None:
    standing.part()
    with pytest.raises(AssertionError, match=HERE):
        standing.client.get(HERE, patience=0.2)
    standing.rejoin()
    assert standing.client.get(HERE).startswith("web ")


@pytest.mark.parametrize("address", [HERE, HERE6])
def test_rules_that_a_reload_of_the_firewall_drops_are_there_again(standing: Hosts, address: str) -> None:
    seen = f"web {standing.client.address6 if ':' in address else standing.client.address}"
    standing.engine.nft("flush", "ruleset")
    # until then the supervisor's own listener answers, to which every client is the host
    until(lambda: standing.client.get(address) == seen)


def test_a_range_of_ports_is_published(passing: Hosts) -> None:
    script = "for port in 80 81 82; do echo $port > /tmp/index.html; done; httpd -p 80; httpd -p 81; httpd -f -p 82"
    passing.engine.tuidock("run", "-d", "-p", "9080-9082:80-82", "-w", "/tmp", IMAGE, "sh", "-c", script)
    assert [passing.client.get(HERE, port) for port in (9080, 9081, 9082)] == ["82"] * 3


def test_a_port_goes_with_its_container(passing: Hosts) -> None:
    passing.engine.tuidock("run", "-d", "--name", "brief", "-p", "9080:80", IMAGE, *WEB)
    passing.client.get(HERE, 9080)
    passing.engine.tuidock("rm", "-f", "brief")
    with pytest.raises(AssertionError, match="Connection refused"):
        passing.client.get(HERE, 9080, patience=0)


def test_nothing_is_left_of_a_container_whose_supervisor_is_killed_amid_traffic(passing: Hosts) -> None:
    passing.engine.tuidock("run", "-d", "--name", "brief", "-p", "9379:6379", IMAGE, *REDIS)
    with passing.client.talk(HERE, 9379) as redis:
        assert redis.say("PING") == "+PONG"
        os.kill(passing.engine.supervisor("brief"), 9)
        until(lambda: not passing.engine.inspect("brief")["State"]["Running"])
    passing.engine.tuidock("rm", "brief")


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.15, 0.2])
def test_nothing_is_left_of_a_start_whose_command_is_killed(passing: Hosts, seconds: float) -> None:
    command = passing.engine.start("run", "--name", "brief", "-p", "9379:6379", IMAGE, *REDIS)
    try:
        command.wait(seconds)
    except subprocess.TimeoutExpired:
        command.kill()
    command.wait()
