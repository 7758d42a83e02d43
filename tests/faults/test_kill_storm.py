"""kill -9 of the command line, its spawner or a supervisor at random instants of every verb on containers.

Afterwards records agree with the kernel, every later command works, and nothing is left. CI plays some rounds;
``FAULT_ROUNDS=200 FAULT_SEED=n pytest tests/faults`` plays more, and another game.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from engine.shim.lock import lock_holder
from tests.support.command_line import CommandLine
from tests.support.leftovers import leftovers

if TYPE_CHECKING:
    from engine.paths import Paths

pytestmark = pytest.mark.root

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "27"))
SEED = int(os.environ.get("FAULT_SEED", "11"))
VICTIMS = ("command line", "spawner", "supervisor")
LOOP = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
VERBS: dict[str, tuple[tuple[str, ...], ...]] = {
    # what makes the state the verb needs, then the verb
    "create": (("create", "--name", "box", "busybox", "true"),),
    "run": (("run", "-d", "--name", "box", "busybox", "sh", "-c", LOOP),),
    "run --rm": (("run", "--rm", "--name", "box", "busybox", "true"),),
    "start": (("create", "--name", "box", "busybox", "sh", "-c", LOOP), ("start", "box")),
    "exec": (("run", "-d", "--name", "box", "busybox", "sh", "-c", LOOP), ("exec", "box", "sleep", "0.1")),
    "stop": (("run", "-d", "--name", "box", "busybox", "sh", "-c", LOOP), ("stop", "box")),
    "restart": (("run", "-d", "--name", "box", "busybox", "sh", "-c", LOOP), ("restart", "box")),
    "rm": (("run", "-d", "--name", "box", "busybox", "sh", "-c", LOOP), ("rm", "-f", "box")),
    "commit": (("run", "-d", "--name", "box", "busybox", "sh", "-c", LOOP), ("commit", "box", "made")),
}


@pytest.fixture
def tuidock(paths: Paths) -> CommandLine:
    command_line = CommandLine(paths)
    command_line.ok("image", "bootstrap", "busybox")
    return command_line


@pytest.mark.timeout(ROUNDS * 20)
def test_nothing_is_lost_or_left_whoever_is_killed_whenever(tuidock: CommandLine, paths: Paths) -> None:
    chance = random.Random(SEED)
    for number in range(ROUNDS):
        verb = list(VERBS)[number % len(VERBS)]
        victim = VICTIMS[number // len(VERBS) % len(VICTIMS)]
        delay = chance.uniform(0, 0.35)
        note = f"round {number}: {verb}, {victim} killed after {delay * 1000:.0f} ms (seed {SEED})"
        *before, last = VERBS[verb]
        for arguments in before:
            tuidock.ok(*arguments)
        ids = kill_during(tuidock, paths, last, victim, delay)
        check_records(tuidock, note)
        ids |= {row["ID"] for row in rows(tuidock)}
        check_usable(tuidock, note)
        assert leftovers(paths, ids) == [], note
        assert leases(paths) == [], note


def kill_during(
    tuidock: CommandLine, paths: Paths, arguments: tuple[str, ...], victim: str, delay: float
) -> set[str]:
    """Start the command, kill the victim after ``delay`` seconds; the ids of the containers there are then."""
    process = tuidock.start(*arguments)
    assert process.stdin is not None
    process.stdin.close()
    time.sleep(delay)
    ids = set(os.listdir(paths.containers))
    targets = {
        "command line": lambda: [process.pid],
        "spawner": lambda: children(process.pid),
        "supervisor": lambda: [lock_holder(paths.container_lock(container)) for container in ids],
    }[victim]()
    for pid in targets:
        if pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    return ids | set(os.listdir(paths.containers))


def children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return []


def rows(tuidock: CommandLine) -> list[dict[str, str]]:
    listed = tuidock.ok("ps", "-a", "--no-trunc", "--format", "json")
    return [json.loads(line) for line in listed.splitlines()]


def check_records(tuidock: CommandLine, note: str) -> None:
    """What is said to run runs, and answers; what is said to be over has an exit code."""
    for row in rows(tuidock):
        (found,) = json.loads(tuidock.ok("inspect", row["ID"]))
        state = found["State"]
        if state["Running"]:
            assert os.path.exists(f"/proc/{state['Pid']}"), f"{note}: {state}"
            assert tuidock.ok("exec", row["ID"], "echo", "here") == "here\n", note
        else:
            assert state["Status"] in {"created", "exited"}, f"{note}: {state}"
            assert state["Pid"] == 0, f"{note}: {state}"


def check_usable(tuidock: CommandLine, note: str) -> None:
    """Every later command works: the container is started or gone, its name can be taken again."""
    for row in rows(tuidock):
        started = tuidock("start", row["ID"])
        assert started.returncode == 0, f"{note}: {started.stderr}"
        tuidock.ok("rm", "-f", row["ID"])
    assert tuidock.ok("run", "--rm", "--name", "box", "busybox", "echo", "again") == "again\n", note
    assert rows(tuidock) == [], note


def leases(paths: Paths) -> list[tuple[str, str]]:
    with sqlite3.connect(f"file:{paths.database}?mode=ro", uri=True) as database:
        found = database.execute("SELECT owner, address FROM lease").fetchall()
    database.close()
    return found
