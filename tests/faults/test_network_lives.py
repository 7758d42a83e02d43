"""Networks over a loss of power, and many processes on several networks and roots of one host at once.

CI starts a few; ``FAULT_CROWD=40 pytest tests/faults/test_network_lives.py`` starts and stops that many.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from engine.paths import Paths
from engine.shim.lock import lock_holder
from tests.support import storm
from tests.support.island import Island, new_host
from tests.support.netlab import delete
from tests.support.network_truth import read_running, rows, untruths

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

CROWD = int(os.environ.get("FAULT_CROWD", "4"))
PROCESSES = 4
NETWORKS = ("bridge", "one", "two")
SLEEP = ("busybox", "sleep", "1000")


@pytest.fixture
def roots(short_folder: str) -> Iterator[tuple[Island, Island]]:
    """Two roots on one host."""
    host = new_host(short_folder)
    made = tuple(
        Island(host, Paths(root=f"{short_folder}/{name}", run=f"{short_folder}/r{name}")) for name in "ab"
    )
    for island in made:
        island.ok("image", "bootstrap", "busybox")
    yield made[0], made[1]
    for island in made:
        if ids := island("ps", "-aq").stdout.split():
            island("rm", "-f", *ids)
    delete(host.netns)
    host.close()


def test_everything_comes_back_after_a_loss_of_power(roots: tuple[Island, Island]) -> None:
    island, _ = roots
    island.ok("network", "create", "--subnet", "10.77.0.0/24", "net")
    fixed = ("--network", "net", "--ip", "10.77.0.50", "-p", "18530:80")
    island.ok("run", "-d", "--name", "fixed", "--restart", "always", *fixed, *SLEEP)
    island.ok("run", "-d", "--name", "plain", "--restart", "always", *SLEEP)
    island.ok("network", "connect", "net", "plain")
    subnets = [network_of(island, name)["Subnet"] for name in ("net", "bridge")]
    lose_power(island)
    island.ok("system", "start")
    assert untruths(island.paths, island.run) == []
    assert [network_of(island, name)["Subnet"] for name in ("net", "bridge")] == subnets
    running = {one.name: one.addresses for one in read_running(island.paths).values()}
    assert running["fixed"] == {"10.77.0.50"}
    assert len(running["plain"]) == len(("bridge", "net"))
    assert island.ok("system", "check", "--format", "json") == ""


@pytest.mark.timeout(60 + CROWD * 20)
def test_many_processes_on_two_roots_share_nothing_by_mistake(roots: tuple[Island, Island]) -> None:
    for island in roots:
        for network in NETWORKS[1:]:
            island.ok("network", "create", network)
    each = max(1, CROWD // PROCESSES)
    starters = [
        subprocess.Popen(
            ["sh", "-c", script(island), "sh", str(each)],
            env=island.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for island in roots
        for _ in range(PROCESSES)
    ]
    told = [starter.communicate() for starter in starters]
    assert [errors for _, errors in told] == [b""] * len(starters)
    running = [one for island in roots for one in read_running(island.paths).values()]
    assert len(running) == len(starters) * each
    ports = [port for one in running for port in one.ports]
    assert len(set(ports)) == len(ports)
    assert untruths(roots[0].paths, roots[0].run, roots[1].paths) == []
    for island in roots:
        assert island.ok("system", "check", "--format", "json") == ""
        island.ok("rm", "-f", *island.ok("ps", "-aq").split())
        assert rows(island.paths, "SELECT owner FROM lease") == []
    assert untruths(roots[0].paths, roots[0].run, roots[1].paths) == []


def script(island: Island) -> str:
    """Start some, in turn on each network; each is stopped and started once more."""
    tuidock = " ".join(island.argv())
    return f"""
for number in $(seq "$1"); do
    case $((number % 3)) in 0) network=bridge;; 1) network=one;; 2) network=two;; esac
    id=$({tuidock} run -d --network $network -p 80 -p 81/udp busybox sleep 1000) || exit 1
    {tuidock} stop -t 0 $id >&2 >/dev/null && {tuidock} start $id || exit 1
done
"""


def lose_power(island: Island) -> None:
    """What is in memory goes: processes, the run folder, links and rules."""
    ids = [identifier for (identifier,) in rows(island.paths, "SELECT id FROM container")]
    supervisors = [lock_holder(island.paths.container_lock(identifier)) for identifier in ids]
    storm.kill(pid for pid in supervisors if pid)
    shutil.rmtree(island.paths.run)
    for link in json.loads(island.run("ip", "-j", "link", "show", "type", "bridge")):
        island.run("ip", "link", "del", link["ifname"])
    island.run("nft", "flush", "ruleset")
    island.run("sysctl", "-qw", "net.ipv4.ip_forward=0")


def network_of(island: Island, name: str) -> dict[str, str]:
    (found,) = json.loads(island.ok("network", "inspect", name))
    (config,) = found["IPAM"]["Config"]
    return dict(config)
