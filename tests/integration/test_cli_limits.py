"""Limits on the command line: warnings, update, stats and top as Docker prints them."""

from __future__ import annotations

import json
import re

import pytest

pytestmark = pytest.mark.root
_ALONE = ("--network", "none")


@pytest.fixture
def box(tuidock):
    return tuidock.ok("run", "-d", *_ALONE, "--name", "box", "-m", "64m", "busybox", "sleep", "1000").strip()


def test_a_warning_goes_to_standard_error_and_the_container_runs(tuidock):
    run = tuidock("run", "--rm", *_ALONE, "--oom-kill-disable", "busybox", "echo", "here")
    assert (run.returncode, run.stdout) == (0, "here\n")
    assert re.fullmatch(
        r"WARNING: (OOM killer is disabled|Your kernel does not support OomKill).*\n", run.stderr
    )


def test_a_limit_that_is_refused_is_125(tuidock):
    run = tuidock("run", "--rm", *_ALONE, "-m", "4m", "busybox", "true")
    assert (run.returncode, run.stderr) == (125, "tuidock: Minimum memory limit allowed is 6MB\n")


def test_update_names_what_it_changed_and_goes_on_after_a_failure(tuidock, box):
    run = tuidock("update", "--cpu-shares", "50", "nothere", "box")
    assert (run.returncode, run.stdout) == (1, "box\n")
    assert "No such container: nothere" in run.stderr
    assert tuidock.ok("inspect", "-f", "{{.HostConfig.CpuShares}}", "box") == "50\n"


def test_update_of_nothing_is_refused(tuidock):
    run = tuidock("update", "box")
    assert run.returncode == 1
    assert "you must provide one or more flags when using this command" in run.stderr


def test_update_changes_the_restart_policy(tuidock, box):
    tuidock.ok("update", "--restart", "on-failure:3", "box")
    shown = tuidock.ok("inspect", "-f", "{{json .HostConfig.RestartPolicy}}", "box")
    assert json.loads(shown) == {"Name": "on-failure", "MaximumRetryCount": 3}


def test_stats_is_a_table_with_dockers_titles(tuidock, box):
    header, row = tuidock.ok("stats", "--no-stream").splitlines()
    assert re.split(r" {2,}", header) == [
        "CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS",
    ]  # fmt: skip
    cells = re.split(r" {2,}", row)
    assert (cells[0], cells[1], cells[-1]) == (box[:12], "box", "1")
    assert cells[3].endswith(" / 64MiB")


def test_stats_by_a_template_and_as_json(tuidock, box):
    assert tuidock.ok("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "box") == "box 1\n"
    shown = json.loads(tuidock.ok("stats", "--no-stream", "--no-trunc", "--format", "json", "box"))
    assert (shown["ID"], shown["Container"], shown["NetIO"]) == (box, "box", "0B / 0B")


def test_top_is_a_table_with_wide_columns(tuidock, box):
    header, row = tuidock.ok("top", "box", "-o", "pid,comm").splitlines()
    assert header == "PID".ljust(20) + "COMMAND"
    assert row[20:] == "sleep"


def test_the_limits_are_inspected_as_dockers(tuidock):
    flags = (
        "--ulimit",
        "nofile=10:20",
        "--sysctl",
        "kernel.shmmax=5",
        "--shm-size",
        "1m",
        "--oom-score-adj",
        "7",
    )
    name = tuidock.ok("create", "-m", "64m", *flags, "busybox").strip()
    shown = json.loads(tuidock.ok("inspect", "-f", "{{json .HostConfig}}", name))
    assert shown["Ulimits"] == [{"Name": "nofile", "Hard": 20, "Soft": 10}]
    assert (shown["Sysctls"], shown["ShmSize"]) == ({"kernel.shmmax": "5"}, 1 << 20)
    assert (shown["OomScoreAdj"], shown["Memory"], shown["PidsLimit"]) == (7, 64 << 20, None)
