"""Somebody removes the run folder of containers that live: they go on, and are found again."""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from engine.shim.lock import lock_holder
from tests.support import storm
from tests.support.command_line import CommandLine
from tests.support.leftovers import leftovers

if TYPE_CHECKING:
    from engine.paths import Paths

pytestmark = pytest.mark.root


@pytest.fixture
def tuidock(paths: Paths) -> CommandLine:
    command_line = CommandLine(paths)
    command_line.ok("image", "bootstrap", "busybox")
    return command_line


@pytest.fixture
def running(tuidock: CommandLine, paths: Paths) -> str:
    """A container whose run folder is gone."""
    container_id = tuidock.ok("run", "-d", "--name", "box", "busybox", "sh", "-c", storm.LOOP).strip()
    shutil.rmtree(paths.run)
    return container_id


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
    # without a filter: that is in the run folder too, and a run that begins before anybody has asked lacks it
    options = ("--restart", "always", "--security-opt", "seccomp=unconfined")
    container_id = tuidock.ok("run", "-d", "--name", "box", *options, "busybox", "false").strip()
    while storm.rows(tuidock)[0]["State"] != "restarting":
        pass
    shutil.rmtree(paths.run)
    assert storm.rows(tuidock)[0]["State"] in {"restarting", "running"}
    tuidock.ok("rm", "-f", "box")
    assert leftovers(paths, [container_id]) == []


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
