"""Somebody removes the run folder of containers that live: they go on, and are found again."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from engine.shim.lock import lock_holder
from tests.support import storm
from tests.support.command_line import CommandLine
from tests.support.leftovers import leftovers

if TYPE_CHECKING:
    from engine.paths import Paths

pytestmark = pytest.mark.root


@pytest.fixture
def running(tuidock: CommandLine, paths: Paths) -> str:
    """A container whose run folder is gone."""
    container_id = tuidock.ok("run", "-d", "--name", "box", "busybox", "sh", "-c", storm.LOOP).strip()
    shutil.rmtree(paths.run)
    return container_id


@pytest.fixture
def silent(paths: Paths, running: str) -> int:
    """Its supervisor, which stands still."""
    supervisor: int = facts(paths, running)["supervisor"][0]
    os.kill(supervisor, signal.SIGSTOP)
    return supervisor


def has_ended(pid: int) -> bool:
    """Whether the process is gone, or only not waited for."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 0)[0])
    finally:
        os.close(descriptor)


def test_a_container_is_found_again(tuidock: CommandLine, running: str) -> None:
    (row,) = storm.rows(tuidock)
    assert row["State"] == "running"
    assert tuidock.ok("exec", "box", "echo", "here") == "here\n"
    tuidock.ok("rm", "-f", running)


def test_a_container_ends_as_it_should(tuidock: CommandLine, paths: Paths, running: str) -> None:
    tuidock.ok("stop", "box")
    (state,) = json.loads(tuidock.ok("inspect", "-f", "[{{json .State}}]", "box"))
    assert (state["Status"], state["ExitCode"]) == ("exited", 0)
    tuidock.ok("rm", running)
    assert leftovers(paths, [running]) == []


def test_a_pause_between_two_runs_is_no_end(tuidock: CommandLine, paths: Paths) -> None:
    container_id = tuidock.ok("run", "-d", "--name", "box", "--restart", "always", "busybox", "false").strip()
    while storm.rows(tuidock)[0]["State"] != "restarting":
        pass
    shutil.rmtree(paths.run)
    assert storm.rows(tuidock)[0]["State"] in {"restarting", "running"}
    tuidock.ok("rm", "-f", "box")
    assert leftovers(paths, [container_id]) == []


def test_a_run_that_begins_before_anybody_looks_has_its_filter(tuidock: CommandLine, paths: Paths) -> None:
    script = "[ -e /once ] && exec sleep 1000; >/once; sleep 0.5"
    options = ("--restart", "always", "busybox")
    container_id = tuidock.ok("run", "-d", "--name", "box", *options, "sh", "-c", script).strip()
    shutil.rmtree(paths.run)
    while (state := facts(paths, container_id))["status"] != "exited" and not state["restart_count"]:
        pass
    while (state := facts(paths, container_id))["status"] == "restarting":
        pass
    assert state["status"] == "running", state
    assert tuidock.ok("exec", "box", "grep", "Seccomp:", "/proc/1/status").split()[1] == "2"
    tuidock.ok("rm", "-f", "box")
    assert leftovers(paths, [container_id]) == []


def facts(paths: Paths, container_id: str) -> dict[str, Any]:
    with open(paths.container_state(container_id)) as file:
        return dict(json.load(file))


def test_a_supervisor_that_does_not_answer_is_no_end(tuidock: CommandLine, silent: int) -> None:
    (row,) = storm.rows(tuidock)
    assert row["State"] == "running"
    os.kill(silent, signal.SIGCONT)
    assert tuidock.ok("exec", "box", "echo", "here") == "here\n"
    tuidock.ok("rm", "-f", "box")


def test_one_whose_supervisor_does_not_answer_is_not_stopped_by_halves(
    tuidock: CommandLine, silent: int
) -> None:
    assert "does not answer" in tuidock("stop", "box").stderr
    os.kill(silent, signal.SIGCONT)
    tuidock.ok("rm", "-f", "box")


def test_one_whose_supervisor_does_not_answer_can_be_killed(
    tuidock: CommandLine, paths: Paths, silent: int, running: str
) -> None:
    tuidock.ok("kill", "box")
    (state,) = json.loads(tuidock.ok("inspect", "-f", "[{{json .State}}]", "box"))
    assert (state["Status"], state["ExitCode"]) == ("exited", 137)
    assert has_ended(silent)
    tuidock.ok("rm", "box")
    assert leftovers(paths, [running]) == []


def test_one_whose_supervisor_does_not_answer_can_be_removed(
    tuidock: CommandLine, paths: Paths, silent: int, running: str
) -> None:
    tuidock.ok("rm", "-f", "box")
    assert has_ended(silent)
    assert leftovers(paths, [running]) == []


def test_one_whose_supervisor_is_dead_too_has_ended(tuidock: CommandLine, paths: Paths) -> None:
    container_id = tuidock.ok("run", "-d", "--name", "box", "busybox", "sleep", "1000").strip()
    supervisor = lock_holder(paths.container_lock(container_id))
    shutil.rmtree(paths.run)
    os.kill(supervisor, signal.SIGKILL)
    (state,) = json.loads(tuidock.ok("inspect", "-f", "[{{json .State}}]", "box"))
    assert (state["Status"], state["ExitCode"]) == ("exited", 255)
    tuidock.ok("start", "box")
    tuidock.ok("rm", "-f", "box")
    assert leftovers(paths, [container_id]) == []


@pytest.fixture
def dead(tuidock: CommandLine, paths: Paths) -> str:
    """A container with a published port whose supervisor was killed, and whose run folder is gone."""
    options = ("--name", "box", "-p", "18474:80", "busybox", "sleep", "1000")
    container_id = tuidock.ok("run", "-d", *options).strip()
    supervisor = lock_holder(paths.container_lock(container_id))
    shutil.rmtree(paths.run)
    os.kill(supervisor, signal.SIGKILL)
    return container_id


@pytest.fixture
def dead_silent(tuidock: CommandLine, paths: Paths) -> str:
    """As ``dead``, but the supervisor stands still."""
    options = ("--name", "box", "-p", "18475:80", "busybox", "sleep", "1000")
    container_id = tuidock.ok("run", "-d", *options).strip()
    os.kill(lock_holder(paths.container_lock(container_id)), signal.SIGSTOP)
    shutil.rmtree(paths.run)
    return container_id


def tables() -> str:
    return subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout


def test_the_ports_of_one_that_died_unseen_lead_nowhere(tuidock: CommandLine, dead: str) -> None:
    tuidock.ok("inspect", "box")
    assert dead[:12] not in tables()
    tuidock.ok("rm", "box")


def test_one_that_died_unseen_leaves_nothing(tuidock: CommandLine, paths: Paths, dead: str) -> None:
    tuidock.ok("rm", "box")
    assert leftovers(paths, [dead]) == []


def test_one_with_rm_that_died_unseen_is_removed(tuidock: CommandLine, paths: Paths) -> None:
    container_id = tuidock.ok("run", "-d", "--rm", "busybox", "sleep", "1000").strip()
    supervisor = lock_holder(paths.container_lock(container_id))
    shutil.rmtree(paths.run)
    os.kill(supervisor, signal.SIGKILL)
    assert storm.rows(tuidock) == []
    assert leftovers(paths, [container_id]) == []


def test_one_killed_for_its_silence_leaves_no_table(
    tuidock: CommandLine, paths: Paths, dead_silent: str
) -> None:
    tuidock.ok("rm", "-f", "box")
    assert dead_silent[:12] not in tables()
    assert leftovers(paths, [dead_silent]) == []
