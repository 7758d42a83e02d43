"""Internal networks and containers kept apart hold where a port is relayed, too: what comes to a socket is not forwarded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.paths import Paths
from tests.support.island import Island, new_host
from tests.support.netlab import delete

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

NAMES = {"inner": ("--internal",), "apart": ("-o", "com.docker.network.bridge.enable_icc=false"), "open": ()}
SERVER = ("busybox", "httpd", "-f", "-h", "/etc")
ASK = "printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' | timeout 3 nc '{}' {} | tail -n 1"


@pytest.fixture(scope="module")
def island(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Island]:
    """A client in a network of each kind, and two servers: one kept apart, one in the default bridge."""
    folder = str(tmp_path_factory.mktemp("i"))
    host = new_host(folder)
    made = Island(host, Paths(root=f"{folder}/root", run=f"{folder}/run"))
    made.ok("image", "bootstrap", "busybox")
    for name, flags in NAMES.items():
        made.ok("network", "create", "--ipv6", *flags, name)
        made.ok("run", "-d", "--name", f"in-{name}", "--network", name, "busybox", "sleep", "1000")
    made.ok("run", "-d", "--name", "web", "--hostname", "web", "-p", "8080:80", *SERVER)
    made.ok("run", "-d", "--name", "shy", "--hostname", "shy", "--network", "apart", "-p", "8081:80", *SERVER)
    yield made
    made.ok("rm", "-f", *made("ps", "-aq").stdout.split())
    delete(host.netns)
    host.close()


def answer(island: Island, network: str, scope: str, port: int) -> str:
    """What a container in ``network`` gets at its gateway's address of ``scope`` (link or global)."""
    identity = island.ok("network", "inspect", "-f", "{{.Id}}", network).strip()
    shown = island.run("ip", "-6", "-o", "address", "show", "dev", f"br-{identity[:12]}", "scope", scope)
    address = shown.split()[3].partition("/")[0] + ("%eth0" if scope == "link" else "")
    return island("exec", f"in-{network}", "sh", "-c", ASK.format(address, port)).stdout.strip()


@pytest.mark.parametrize("scope", ["link", "global"])
def test_relayed_port_is_reached_from_another_network(island: Island, scope: str) -> None:
    assert answer(island, "open", scope, 8080) == "web"


@pytest.mark.parametrize("scope", ["link", "global"])
def test_relayed_port_is_no_way_out_of_an_internal_network(island: Island, scope: str) -> None:
    assert answer(island, "inner", scope, 8080) == ""


def test_relayed_port_does_not_join_containers_kept_apart(island: Island) -> None:
    assert answer(island, "apart", "link", 8081) == ""


def test_port_of_one_kept_apart_is_relayed_to_others(island: Island) -> None:
    assert answer(island, "open", "link", 8081) == "shy"
