"""kill -9 of any process while several of them make, use and remove networks: the kernel has what really runs.

After each round the truth is found without the program (``tests.support.network_truth``), and ``system check``
must agree with it. CI plays some rounds; ``FAULT_ROUNDS=200 FAULT_SEED=n pytest tests/faults/test_network_storm.py``
plays more, and another game. All of it happens on a host of its own.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from engine.paths import Paths
from tests.support import storm
from tests.support.island import Island, new_host
from tests.support.leftovers import leftovers
from tests.support.netlab import delete
from tests.support.network_truth import rows, untruths

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.root

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "3"))
SEED = int(os.environ.get("FAULT_SEED", "7"))
PLAYERS, MOVES, KILLS = 3, 3, 3
LONGEST = 0.35
"""Seconds between two kills, at most."""
VICTIMS = ("command line", "spawner", "worker", "supervisor", "supervisor", "init")
SLEEP = ("busybox", "sh", "-c", storm.LOOP)
PORTS = range(18500, 18509)

Command = tuple[str, ...]


@pytest.fixture
def island(short_folder: str) -> Iterator[Island]:
    host = new_host(short_folder)
    made = Island(host, Paths(root=f"{short_folder}/root", run=f"{short_folder}/run"))
    made.ok("image", "bootstrap", "busybox")
    yield made
    for identifier in made("ps", "-aq").stdout.split():
        made("rm", "-f", identifier)
    delete(host.netns)
    host.close()


def move(chance: random.Random) -> Command:
    """A random verb on one of a few containers and networks, which others play with too."""
    box, net = f"box{chance.randrange(4)}", f"net{chance.randrange(3)}"
    port = f"{PORTS[int(box[-1]) * 2]}:80"
    return chance.choice(
        (
            ("network", "create", net),
            ("network", "rm", net),
            ("run", "-d", "--name", box, "-p", port, *SLEEP),
            ("run", "-d", "--name", box, "--network", net, "-p", port, "-p", "81/udp", *SLEEP),
            ("run", "-d", "--rm", "--name", box, "--network", net, "-p", port, *SLEEP),
            ("run", "-d", "--name", box, "--restart", "always", "--network", net, "-p", port, *SLEEP),
            ("network", "connect", net, box),
            ("network", "connect", "bridge", box),
            ("network", "disconnect", net, box),
            ("network", "disconnect", "-f", "bridge", box),
            ("start", box),
            ("restart", "-t", "1", box),
            ("stop", "-t", "1", box),
            ("rename", box, f"box{chance.randrange(4)}"),
            ("rm", "-f", box),
        )
    )


def play(island: Island, moves: list[Command], running: set[int], said: list[str]) -> None:
    for command in moves:
        process = island.start(*command)
        running.add(process.pid)
        try:
            _, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            said.append(f"{command} hangs")
        else:
            told = errors.decode(errors="replace")
            if "Traceback" in told or "internal error" in told:
                said.append(f"{command}: {told}")
        running.discard(process.pid)


def rage(island: Island, chance: random.Random) -> str:
    """One round: players play, and somebody is killed again and again; what was played."""
    running: set[int] = set()
    said: list[str] = []
    games = [[move(chance) for _ in range(MOVES)] for _ in range(PLAYERS)]
    players = [threading.Thread(target=play, args=(island, game, running, said)) for game in games]
    for player in players:
        player.start()
    kills = []
    for _ in range(KILLS):
        time.sleep(chance.uniform(0, LONGEST))
        who = chance.choice(VICTIMS)
        victims = [
            pid for command in tuple(running) or (0,) for pid in storm.victims(island.paths, who, command)
        ]
        if victims := [pid for pid in victims if pid]:
            kills.append(who)
            storm.kill(chance.sample(victims, 1))
    for player in players:
        player.join()
    assert said == [], said
    return f"{games} with kills of {kills}"


def findings(island: Island, *options: str) -> list[str]:
    told = island("system", "check", "--format", "json", *options)
    assert told.stderr == "", told.stderr
    return [
        f"{one['Kind']} {one['What']}: {one['Why']}"
        for one in map(json.loads, told.stdout.splitlines())
        if one["Repaired"] == "false"
    ]


@pytest.mark.timeout(60 + ROUNDS * 60)
def test_the_kernel_has_what_really_runs_whoever_is_killed_whenever(island: Island) -> None:
    chance = random.Random(SEED)
    ids = set()
    for number in range(ROUNDS):
        note = f"round {number} (seed {SEED}): {rage(island, chance)}"
        ids |= {identifier for (identifier,) in rows(island.paths, "SELECT id FROM container")}
        storm.rows(island)
        assert findings(island, "--repair") == [], note
        assert untruths(island.paths, island.run) == [], note
        assert findings(island) == [], note
    for identifier in island.ok("ps", "-aq").split():
        island("rm", "-f", identifier)
    island.ok("network", "prune", "-f")
    assert untruths(island.paths, island.run) == []
    assert rows(island.paths, "SELECT owner, address FROM lease") == []
    assert json.loads(island.run("ip", "-j", "link", "show", "type", "veth") or "[]") == []
    assert leftovers(island.paths, ids) == []
    island.run("python3", "-c", BIND, *map(str, PORTS))


BIND = """
import socket, sys
for port in map(int, sys.argv[1:]):
    with socket.socket() as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        one.bind(("0.0.0.0", port))
        other.bind(("0.0.0.0", port))
"""
