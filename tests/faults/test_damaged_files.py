"""A container's files are damaged, or its caller may open next to nothing: it is still there, and obeys."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from engine.shim.lock import lock_holder
from tests.support import storm
from tests.support.command_line import CommandLine
from tests.support.leftovers import leftovers

if TYPE_CHECKING:
    from engine.paths import Paths

CAP_SYS_RESOURCE = 24
pytestmark = pytest.mark.root


@pytest.fixture
def box(tuidock: CommandLine) -> str:
    return tuidock.ok("run", "-d", "--name", "box", "busybox", "sh", "-c", storm.LOOP).strip()


def test_a_container_whose_facts_are_torn_runs_and_stops(
    tuidock: CommandLine, paths: Paths, box: str
) -> None:
    os.truncate(paths.container_state(box), 20)
    (row,) = storm.rows(tuidock)
    assert row["State"] == "running"
    tuidock.ok("stop", "box")
    assert tuidock.ok("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "box") == "exited 0\n"
    tuidock.ok("rm", "box")


@pytest.mark.parametrize("verb", [("stop", "box"), ("rm", "-f", "box")])
def test_a_container_whose_facts_are_gone_runs_and_ends(
    tuidock: CommandLine, paths: Paths, box: str, verb: tuple[str, ...]
) -> None:
    os.unlink(paths.container_state(box))
    tuidock.ok("start", "box")  # that it does not do
    (row,) = storm.rows(tuidock)
    assert row["State"] == "running"
    tuidock.ok(*verb)
    assert all(row["State"] == "exited" for row in storm.rows(tuidock))


def test_a_container_whose_bundle_is_torn_and_supervisor_dead_can_be_started_and_removed(
    tuidock: CommandLine, paths: Paths, box: str
) -> None:
    os.truncate(paths.container_bundle(box), 20)
    storm.kill([lock_holder(paths.container_lock(box))])
    tuidock.ok("start", "box")
    tuidock.ok("rm", "-f", "box")
    assert leftovers(paths, [box]) == []


def test_who_may_open_64_files_gets_containers_that_may_open_64_or_is_told_why_not(
    tuidock: CommandLine,
) -> None:
    command = " ".join(tuidock.argv("run", "--rm", "busybox", "sh", "-c", "'ulimit -n; ulimit -Hn'"))
    run = subprocess.run(
        ["sh", "-c", f"ulimit -n 64; exec {command}"],
        env=tuidock.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if may_raise_limits():
        assert (run.stdout, run.stderr) == ("64\n64\n", "")
    else:
        assert run.returncode == 125
        assert "its caller may open 64 files, and 201 are needed (ulimit -n)" in run.stderr


def may_raise_limits() -> bool:
    with open("/proc/self/status", encoding="ascii") as file:
        (capabilities,) = [line.split()[1] for line in file if line.startswith("CapEff:")]
    return bool(int(capabilities, 16) & 1 << CAP_SYS_RESOURCE)
