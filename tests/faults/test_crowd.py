"""Many containers at once, started by many processes: all come up, each with a name and an address of its own.

CI starts some dozens; ``FAULT_CROWD=200 pytest tests/faults/test_crowd.py`` starts that many.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import CommandLine
from tests.support.leftovers import leftovers

if TYPE_CHECKING:
    from engine.paths import Paths

pytestmark = pytest.mark.root

CROWD = int(os.environ.get("FAULT_CROWD", "32"))
PROCESSES = 8
START = """
for number in $(seq "$1"); do
    "$PYTHON" -m tuidock run -d busybox sleep 1000 || exit 1
done
"""


@pytest.mark.timeout(CROWD * 10)
def test_all_come_up_with_names_and_addresses_of_their_own(tuidock: CommandLine, paths: Paths) -> None:
    environ = {**tuidock.environ, "PYTHON": tuidock.argv()[0]}
    starters = [
        subprocess.Popen(
            ["sh", "-c", START, "sh", str(CROWD // PROCESSES)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    told = [starter.communicate() for starter in starters]
    assert [errors for _, errors in told] == [b""] * PROCESSES
    ids = b"".join(output for output, _ in told).decode().split()
    assert len(set(ids)) == CROWD // PROCESSES * PROCESSES
    found = json.loads(tuidock.ok("inspect", *ids))
    assert {container["State"]["Status"] for container in found} == {"running"}
    assert len({container["Name"] for container in found}) == len(ids)
    networks = [container["NetworkSettings"]["Networks"]["bridge"] for container in found]
    assert len({network["IPAddress"] for network in networks}) == len(ids)
    tuidock.ok("rm", "-f", *ids)
    assert tuidock.ok("ps", "-aq") == ""
    assert leftovers(paths, ids) == []


def test_two_acts_at_once_have_one_winner_and_one_clear_conflict(tuidock: CommandLine, paths: Paths) -> None:
    for _ in range(6):
        container_id = tuidock.ok("create", "busybox", "sleep", "1000").strip()
        acts = {verb: tuidock.start(verb, container_id) for verb in ("start", "rm")}
        told = {verb: process.communicate()[1].decode() for verb, process in acts.items()}
        codes = {verb: process.returncode for verb, process in acts.items()}
        assert 0 in codes.values(), told
        for verb, code in codes.items():
            if code:
                assert (
                    "being started or removed" in told[verb]
                    or "No such container" in told[verb]
                    or ("is running" in told[verb])
                ), told
        listed = tuidock.ok("ps", "-aq", "--no-trunc").split()
        assert listed == ([] if codes["rm"] == 0 else [container_id])
        tuidock("rm", "-f", container_id)
        assert leftovers(paths, [container_id]) == []


def test_a_fork_bomb_and_a_memory_hog_stay_in_their_containers(tuidock: CommandLine) -> None:
    bomb = "bomb() { bomb | bomb & }; bomb; sleep 1000"
    tuidock.ok("run", "-d", "--name", "bomb", "--pids-limit", "64", "busybox", "sh", "-c", bomb)
    hog = tuidock("run", "--name", "hog", "-m", "16m", "busybox", "sh", "-c", "tail /dev/zero")
    assert hog.returncode == 137, hog.stderr
    (state,) = json.loads(tuidock.ok("inspect", "-f", "[{{json .State}}]", "hog"))
    assert state["OOMKilled"]
    assert tuidock.ok("run", "--rm", "busybox", "echo", "unharmed") == "unharmed\n"
    tuidock.ok("rm", "-f", "bomb", "hog")
    assert tuidock.ok("ps", "-aq") == ""
