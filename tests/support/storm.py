"""Owns what a storm of kill -9 needs: whom to kill, and everything that must be true of a root afterwards."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from typing import TYPE_CHECKING

from engine.shim.lock import lock_holder
from tests.support.leftovers import leftovers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.paths import Paths
    from tests.support.command_line import CommandLine

LOOP = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
_PATIENCE = 40


def victims(paths: Paths, who: str, command: int) -> list[int]:
    """The processes ``who`` names now; ``command`` is the pid of the command line."""
    if who == "command line":
        return [command]
    if who == "spawner":
        return children(command)
    if who == "worker":
        return [worker for spawner in children(command) for worker in children(spawner)]
    supervisors = [
        pid for name in _names(paths.containers) if (pid := lock_holder(paths.container_lock(name)))
    ]
    if who == "supervisor":
        return supervisors
    below = [child for supervisor in supervisors for child in children(supervisor)]
    if who == "exec session":
        return [pid for pid in below if _comm(pid) == "tuidock-exec"]
    return [pid for pid in below if _comm(pid) != "tuidock-exec"]  # init, and health checks


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def finish(process: subprocess.Popen[bytes], note: str) -> str:
    """Wait for a command that must end; what it said on its standard error."""
    try:
        _, errors = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"{note}: it hangs") from None
    told = errors.decode(errors="replace")
    assert "Traceback" not in told, f"{note}: {told}"
    return told


def children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def rows(tuidock: CommandLine) -> list[dict[str, str]]:
    listed = tuidock.ok("ps", "-a", "--no-trunc", "--format", "json")
    return [json.loads(line) for line in listed.splitlines()]


def check_records(tuidock: CommandLine, note: str) -> None:
    """What is said to run runs, and answers; what is said to be over has an exit code."""
    for row in rows(tuidock):
        (found,) = json.loads(tuidock.ok("inspect", row["ID"]))
        state = found["State"]
        if state["Status"] == "paused":
            tuidock.ok("unpause", row["ID"])
        if state["Status"] == "restarting":
            tuidock.ok("stop", row["ID"])
        elif state["Running"]:
            assert os.path.exists(f"/proc/{state['Pid']}"), f"{note}: {state}"
            said = tuidock("exec", row["ID"], "echo", "here")
            assert said.stdout == "here\n" or "restarting" in said.stderr, f"{note}: {state} {said.stderr}"
        else:
            assert state["Status"] in {"created", "exited"}, f"{note}: {state}"
            assert state["Pid"] == 0, f"{note}: {state}"


def check_usable(tuidock: CommandLine, note: str) -> None:
    """Every later command works: the container is started or gone, its name can be taken again."""
    for row in rows(tuidock):
        started = tuidock("start", row["ID"])
        assert started.returncode == 0, f"{note}: {started.stderr}"
        tuidock.ok("logs", row["ID"])
        tuidock.ok("rm", "-f", "-v", row["ID"])
    assert tuidock.ok("run", "--rm", "--name", "box", "busybox", "echo", "again") == "again\n", note
    assert rows(tuidock) == [], note


def check_clean(tuidock: CommandLine, paths: Paths, ids: Iterable[str], note: str) -> None:
    """Without containers nothing is held: on the machine, in the database, in the root's folders."""
    assert leftovers(paths, ids) == [], note
    assert leases(paths) == [], note
    known = set(tuidock.ok("volume", "ls", "-q").split())
    on_disk = {
        f"{volume}/{name}" for volume in _names(paths.volumes) for name in _names(f"{paths.volumes}/{volume}")
    }
    assert on_disk <= {f"{name}/_data" for name in known}, note
    tuidock.ok("system", "prune", "-f")
    assert tuidock.ok("system", "check", "--format", "json") == "", note
    tuidock.ok("volume", "prune", "-af")  # anonymous ones too, if who would have removed them is dead
    assert _names(paths.volumes) == [], note
    assert _names(paths.containers) == [], note
    assert _names(f"{paths.run}/c") == [], note
    assert _names(paths.staging) == [], note


def leases(paths: Paths) -> list[tuple[str, str]]:
    with sqlite3.connect(f"file:{paths.database}?mode=ro", uri=True) as database:
        found = database.execute("SELECT owner, address FROM lease").fetchall()
    database.close()
    return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _comm(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
