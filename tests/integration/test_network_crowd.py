"""Many containers that use each other by name, and networks that keep theirs in or apart, on a host of their own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import netlab_crowd
from tests.support.netlab_hosts import NEAR, NEAR6, Hosts, open_hosts, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.root

IMAGE = "busybox"
CLIENT, CLIENT6 = NEAR.format(2), f"[{NEAR6.format(2)}]"
CROWD = 50
_PAGE = "mkdir /www; echo $HOSTNAME > /www/index.html; exec httpd -f -h /www -p 80"
"""A web server that says the name of its host."""
_MEMBER = """\
mkdir /www; echo $HOSTNAME > /www/index.html; httpd -h /www -p 80
until page=$(timeout 2 wget -q -O - http://NEXT/); do sleep 0.2; done
echo $page > /seen/$HOSTNAME
exec sleep 1000
"""


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with open_hosts() as made:
        made.engine.tuidock("image", "bootstrap", IMAGE)
        os.mkdir(f"{made.folder}/www")
        _serve(made, f"{made.folder}/www")
        yield made


@pytest.fixture
def lab(hosts: Hosts) -> Iterator[Hosts]:
    """The hosts for one test: its containers and networks end with it, and leave nothing."""
    state = hosts.engine.network_state()
    yield hosts
    hosts.engine.remove_all()
    until(lambda: hosts.engine.network_state() == state)


def _start(hosts: Hosts, name: str, *options: str, script: str = _PAGE) -> None:
    hosts.engine.tuidock("run", "-d", "--name", name, "-h", name, *options, IMAGE, "sh", "-c", script)


def _page(hosts: Hosts, name: str, address: str) -> str:
    """What the container ``name`` gets from ``address``; nothing if nobody answers it."""
    asked = ("timeout", "1", "wget", "-q", "-O", "-", f"http://{address}/")
    done = hosts.engine.run(*hosts.engine.program("exec", name, *asked), check=False)
    return "" if "wget:" in done or "Terminated" in done else done.strip()


def _address(hosts: Hosts, name: str, network: str, field: str = "IPAddress") -> str:
    return str(hosts.engine.inspect(name)["NetworkSettings"]["Networks"][network][field])


def test_fifty_containers_reach_each_other_by_name(lab: Hosts, tmp_path: Path) -> None:
    lab.engine.tuidock("network", "create", "crowd")
    lab.engine.run(sys.executable, netlab_crowd.__file__, str(CROWD), "crowd", str(tmp_path), _MEMBER)
    until(lambda: len(os.listdir(tmp_path)) == CROWD, 20)
    seen = {path.name: path.read_text().strip() for path in tmp_path.iterdir()}
    assert seen == {f"member{number}": f"member{(number + 1) % CROWD}" for number in range(CROWD)}


def test_a_container_reaches_the_client_from_an_ordinary_network(lab: Hosts) -> None:
    lab.engine.tuidock("network", "create", "open")
    _start(lab, "one", "--network", "open")
    assert _page(lab, "one", CLIENT) == "client"


def test_there_is_no_way_out_of_an_internal_network(lab: Hosts) -> None:
    lab.engine.tuidock("network", "create", "--internal", "--ipv6", "shut")
    for name in ("one", "two"):
        _start(lab, name, "--network", "shut")
    until(lambda: _page(lab, "one", "two") == "two")
    assert (_page(lab, "one", CLIENT), _page(lab, "one", CLIENT6)) == ("", "")


def test_there_is_no_way_between_containers_without_icc(lab: Hosts) -> None:
    lab.engine.tuidock("network", "create", "-o", "com.docker.network.bridge.enable_icc=false", "apart")
    for name in ("one", "two"):
        _start(lab, name, "--network", "apart")
    assert _page(lab, "one", CLIENT) == "client"
    assert _page(lab, "one", _address(lab, "two", "apart")) == ""


def test_there_is_no_way_between_networks(lab: Hosts) -> None:
    for name in ("one", "two"):
        lab.engine.tuidock("network", "create", "--ipv6", name)
        _start(lab, name, "--network", name)
    until(lambda: _page(lab, "two", "two") == "two")
    ways = (_address(lab, "two", "two"), f"[{_address(lab, 'two', 'two', 'GlobalIPv6Address')}]")
    assert [_page(lab, "one", way) for way in ways] == ["", ""]


def test_a_container_answers_by_its_name_from_the_moment_it_is_connected(lab: Hosts) -> None:
    for name in ("first", "second"):
        lab.engine.tuidock("network", "create", name)
        _start(lab, name, "--network", name)
    until(lambda: _page(lab, "second", "second") == "second")
    lab.engine.tuidock("network", "connect", "first", "second")
    connected = _page(lab, "first", "second")
    lab.engine.tuidock("network", "disconnect", "first", "second")
    assert (connected, _page(lab, "first", "second")) == ("second", "")


def test_a_container_keeps_its_name_over_a_restart(lab: Hosts) -> None:
    lab.engine.tuidock("network", "create", "first")
    for name in ("one", "two"):
        _start(lab, name, "--network", "first")
    lab.engine.tuidock("restart", "-t", "0", "two")
    until(lambda: _page(lab, "one", "two") == "two")


def _serve(hosts: Hosts, folder: str) -> None:
    """The client has a page of its own, over IPv4 and IPv6; its server ends with the lab."""
    with open(f"{folder}/index.html", "w", encoding="ascii") as file:
        file.write("client\n")
    hosts.serve(hosts.client, "busybox", "httpd", "-f", "-h", folder, "-p", "[::]:80")
