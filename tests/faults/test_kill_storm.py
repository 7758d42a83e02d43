"""kill -9 of any process of the engine or of a container, at random instants of every verb on containers.

Afterwards records agree with the kernel, every later command works, and nothing is left. CI plays some rounds;
``FAULT_ROUNDS=200 FAULT_SEED=n pytest tests/faults`` plays more, and another game; ``FAULT_ONLY=cp`` plays only
the scenes whose names begin so.
"""

from __future__ import annotations

import os
import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.support import storm
from tests.support.command_line import CommandLine
from tests.support.storm import LOOP

if TYPE_CHECKING:
    from engine.paths import Paths

pytestmark = pytest.mark.root

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "8"))
SEED = int(os.environ.get("FAULT_SEED", "11"))
ONLY = os.environ.get("FAULT_ONLY", "")
LONGEST = 0.45
"""Seconds after which a victim is killed at the latest; most commands take less."""

Command = tuple[str, ...]
BOX: Command = ("run", "-d", "--name", "box")
RUNNING: Command = (*BOX, "busybox", "sh", "-c", LOOP)
WRITER = (
    "i=0; while [ $i -lt 3000 ]; do echo line $i of some length, to be rotated; i=$((i+1)); done; sleep 9"
)
CHECKED = ("--health-cmd", "sleep 0.05", "--health-interval", "50ms", "--health-start-period", "1ms")
OURS = ("command line", "spawner", "worker")
ALL = (*OURS, "supervisor", "init")

SCENES: dict[str, tuple[tuple[str, ...], tuple[Command, ...]]] = {
    # who is killed, then what makes the state, and the verb at last
    "create": (OURS, (("create", "--name", "box", "busybox", "true"),)),
    "create volumes": (
        OURS,
        (("create", "--name", "box", "-v", "/bin", "-v", "named:/etc", "busybox", "true"),),
    ),
    "create --userns auto": (OURS, (("create", "--name", "box", "--userns", "auto", "busybox", "true"),)),
    "run": (ALL, (RUNNING,)),
    "run --rm": (ALL, (("run", "--rm", "--name", "box", "busybox", "true"),)),
    "run --userns auto": (ALL, ((*BOX, "--userns", "auto", "busybox", "sh", "-c", LOOP),)),
    "run volumes": (ALL, ((*BOX, "-v", "named:/bin", "-v", "/usr", "busybox", "sh", "-c", LOOP),)),
    "run --volumes-from": (
        ALL,
        (
            ("create", "--name", "first", "-v", "/usr", "-v", "named:/data", "busybox", "true"),
            (*BOX, "--volumes-from", "first", "busybox", "sh", "-c", LOOP),
        ),
    ),
    "run --restart": (ALL, ((*BOX, "--restart", "always", "busybox", "sleep", "0.05"),)),
    "run --restart --rm -p": (
        ALL,
        ((*BOX, "-p", "18473:80", "--restart", "on-failure:3", "busybox", "false"),),
    ),
    "run --health-cmd": (
        ALL,
        ((*BOX, *CHECKED, "busybox", "sh", "-c", LOOP), ("exec", "box", "sleep", "0.2")),
    ),
    "run with rotation": (
        ALL,
        (
            (*BOX, "--log-opt", "max-size=10k", "--log-opt", "max-file=3", "busybox", "sh", "-c", WRITER),
            ("logs", "--tail", "3000", "box"),
        ),
    ),
    "start": (ALL, (("create", "--name", "box", "busybox", "sh", "-c", LOOP), ("start", "box"))),
    "exec": ((*ALL, "exec session"), (RUNNING, ("exec", "box", "sleep", "0.2"))),
    "exec -d": ((*ALL, "exec session"), (RUNNING, ("exec", "-d", "box", "sleep", "0.2"))),
    "exec -t": ((*ALL, "exec session"), (RUNNING, ("exec", "-t", "box", "sh", "-c", "seq 9999; sleep 0.1"))),
    "stop": (ALL, (RUNNING, ("stop", "box"))),
    "stop --rm": (
        ALL,
        (("run", "-d", "--rm", "--name", "box", "-v", "/usr", "busybox", "sh", "-c", LOOP), ("stop", "box")),
    ),
    "restart": (ALL, (RUNNING, ("restart", "box"))),
    "kill": (ALL, (RUNNING, ("kill", "box"))),
    "rm -f": (ALL, ((*BOX, "-v", "/usr", "busybox", "sh", "-c", LOOP), ("rm", "-f", "-v", "box"))),
    "rename": (ALL, (RUNNING, ("rename", "box", "other"))),
    "commit": (ALL, (RUNNING, ("commit", "box", "made"))),
    "pause": (ALL, (RUNNING, ("pause", "box"))),
    "unpause": (ALL, (RUNNING, ("pause", "box"), ("unpause", "box"))),
    "update": (ALL, (RUNNING, ("update", "-m", "64m", "--pids-limit", "50", "--restart", "always", "box"))),
    "cp in": (ALL, (RUNNING, ("cp", "TREE", "box:/into"))),
    "cp out": (ALL, (RUNNING, ("cp", "box:/bin", "OUT"))),
    "cp into a stopped one": (
        OURS,
        (("create", "--name", "box", "busybox", "true"), ("cp", "TREE", "box:/into")),
    ),
    "cp out of a stopped one": (
        OURS,
        (("create", "--name", "box", "busybox", "true"), ("cp", "box:/bin", "OUT")),
    ),
    "diff": (OURS, (RUNNING, ("diff", "box"))),
    "export": (ALL, (RUNNING, ("export", "-o", "OUT.tar", "box"))),
    "system start": (
        ALL,
        ((*BOX, "--restart", "always", "busybox", "sh", "-c", LOOP), ("DIES",), ("system", "start")),
    ),
    "container prune": (
        OURS,
        (("create", "--name", "box", "-v", "/usr", "busybox", "true"), ("container", "prune", "-f")),
    ),
    "system prune": (
        OURS,
        (
            ("create", "--name", "box", "-v", "/usr", "busybox", "true"),
            ("system", "prune", "-f", "--volumes"),
        ),
    ),
    "volume prune": (
        OURS,
        (("volume", "create", "one"), ("volume", "create", "two"), ("volume", "prune", "-af")),
    ),
}


@pytest.fixture
def tuidock(paths: Paths, short_folder: str) -> CommandLine:
    command_line = CommandLine(paths)
    os.mkdir(f"{short_folder}/tmp")
    command_line.environ["TMPDIR"] = f"{short_folder}/tmp"
    command_line.ok("image", "bootstrap", "busybox")
    tree = f"{short_folder}/tree"
    os.makedirs(f"{tree}/deep")
    for number in range(300):
        with open(f"{tree}/deep/{number}", "wb") as file:
            file.write(b"x" * 9000)
    return command_line


@pytest.mark.timeout(ROUNDS * 30)
def test_nothing_is_lost_or_left_whoever_is_killed_whenever(
    tuidock: CommandLine, paths: Paths, short_folder: str
) -> None:
    chance = random.Random(SEED)
    names = [name for name in SCENES if name.startswith(ONLY)]
    order: list[str] = []
    for number in range(ROUNDS):
        order = order or chance.sample(names, len(names))
        name = order.pop()
        who, commands = SCENES[name]
        victim, delay = chance.choice(who), chance.uniform(0, LONGEST)
        note = f"round {number}: {name}, {victim} killed after {delay * 1000:.0f} ms (seed {SEED})"
        *before, last = [_placed(command, short_folder, number) for command in commands]
        for command in before:
            if command == ("DIES",):
                storm.kill(storm.victims(paths, "supervisor", 0))
            else:
                tuidock.ok(*command)
        ids = play(tuidock, paths, last, victim, delay, note)
        storm.check_records(tuidock, note)
        ids |= {row["ID"] for row in storm.rows(tuidock)}
        storm.check_usable(tuidock, note)
        storm.check_clean(tuidock, paths, ids, note)
        assert os.listdir(f"{short_folder}/tmp") == [], note


def play(
    tuidock: CommandLine, paths: Paths, command: Command, victim: str, delay: float, note: str
) -> set[str]:
    """Start the command, kill the victim after ``delay`` seconds; the ids of the containers there were."""
    process = tuidock.start(*command)
    time.sleep(delay)
    ids = set(os.listdir(paths.containers))
    storm.kill(storm.victims(paths, victim, process.pid))
    storm.finish(process, note)
    return ids | set(os.listdir(paths.containers))


def _placed(command: Command, folder: str, number: int) -> Command:
    places = {
        "TREE": f"{folder}/tree",
        "OUT": f"{folder}/out{number}",
        "OUT.tar": f"{folder}/out{number}.tar",
    }
    return tuple(places.get(word, word) for word in command)
