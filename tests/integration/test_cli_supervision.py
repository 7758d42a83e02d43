"""Restarts, health and waiting as users see them."""

from __future__ import annotations

import json
import os
import time

import pytest

from tests.support.command_line import CommandLine

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]

RUN = ("run", "-d", "--network", "none")


@pytest.fixture
def tuidock(paths, engine) -> CommandLine:
    return CommandLine(paths)


def until(tuidock: CommandLine, text: str, *arguments: str) -> str:
    deadline = time.monotonic() + 20
    while text not in (shown := tuidock.ok(*arguments)):
        assert time.monotonic() < deadline, shown
    return shown


def test_the_list_shows_a_pause_between_two_runs_as_docker_does(tuidock):
    tuidock.ok(*RUN, "--name", "again", "--restart", "always", "busybox", "sh", "-c", "exit 3")
    until(tuidock, "Restarting (3) ", "ps", "--format", "{{.Status}}")
    assert tuidock.ok("ps", "-q", "--filter", "status=restarting") != ""
    shown = json.loads(tuidock.ok("inspect", "again"))[0]
    assert shown["HostConfig"]["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0}
    run = tuidock("attach", "again")
    assert run.returncode == 1
    assert "cannot attach to a restarting container, wait until it is running" in run.stderr


def test_a_run_in_the_foreground_ends_with_the_first_exit(tuidock):
    run = tuidock(
        "run",
        "--name",
        "fg",
        "--network",
        "none",
        "--restart",
        "on-failure:1",
        "busybox",
        "sh",
        "-c",
        "exit 4",
    )
    assert run.returncode == 4
    until(tuidock, "Exited (4)", "ps", "-a", "--format", "{{.Status}}")
    assert tuidock.ok("inspect", "-f", "{{.RestartCount}}", "fg") == "1\n"


def test_the_list_shows_health(tuidock):
    check = ("--health-cmd", "test -e /ok", "--health-interval", "100ms", "--health-retries", "1")
    tuidock.ok(*RUN, "--name", "ill", *check, "busybox", "sleep", "1000")
    until(tuidock, "(unhealthy)", "ps", "--format", "{{.Status}}")
    tuidock.ok("exec", "ill", "touch", "/ok")
    until(tuidock, "(healthy)", "ps", "--format", "{{.Status}}")
    tuidock.ok(*RUN, "--health-cmd", "true", "busybox", "sleep", "1000")
    assert "(health: starting)" in tuidock.ok("ps", "--format", "{{.Status}}")


def test_several_ends_are_waited_for_at_once(tuidock):
    for name, code in (("one", 3), ("two", 4)):
        tuidock.ok(*RUN, "--name", name, "busybox", "sh", "-c", f"sleep 0.2; exit {code}")
    assert tuidock.ok("wait", "one", "two") == "3\n4\n"
    run = tuidock("wait", "--condition", "whenever", "one")
    assert (run.returncode, "invalid condition" in run.stderr) == (1, True)
    waiting = tuidock.start("wait", "--condition", "removed", "two", "one")
    while journals(waiting.pid) < 2:  # each name is waited for by a reader of its own
        assert waiting.poll() is None
        time.sleep(0.01)
    tuidock.ok("rm", "one", "two")
    assert waiting.communicate(timeout=20)[0] == b"4\n3\n"


def journals(pid: int) -> int:
    """How often the process has the journal open."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found += os.readlink(f"/proc/{pid}/fd/{name}").endswith("/events.jsonl")
        except FileNotFoundError:
            continue
    return found


def test_the_system_stops_and_starts_what_it_should(tuidock):
    policy = ("--restart", "unless-stopped")
    for name, more in (("kept", policy), ("plain", ())):
        tuidock.ok(*RUN, "--name", name, *more, "busybox", "sleep", "1000")
    assert sorted(tuidock.ok("system", "stop", "-t", "0").split()) == ["kept", "plain"]
    assert tuidock.ok("ps", "-q") == ""
    assert tuidock.ok("system", "start") == "kept\n"
    assert tuidock.ok("system", "start") == ""
    assert tuidock.ok("ps", "--format", "{{.Names}}") == "kept\n"
