"""Containers on a machine with cgroup v2 alone: a guest does it, where ``TUIDOCK_GUEST`` names a program that boots one.

Such a program takes ``--share / -- COMMAND``: it boots Linux, shows the host's files at /share, runs COMMAND as
root, and gives back its output.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess

import msgspec
import pytest

_PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LIBRARIES = os.path.dirname(os.path.dirname(os.path.abspath(msgspec.__file__)))
_MIB = 1 << 20


@pytest.fixture(scope="module")
def seen():
    """What ``cgroup_v2_program`` saw in the guest."""
    rig = os.environ.get("TUIDOCK_GUEST")
    if not rig:
        pytest.skip("NEEDS A GUEST: TUIDOCK_GUEST names a program that boots one with cgroup v2")
    path = f"PYTHONPATH=/share{_PROJECT}:/share{_LIBRARIES} PYTHONDONTWRITEBYTECODE=1"
    command = f"{path} python3 /share{_PROJECT}/tests/guest/cgroup_v2_program.py"
    done = subprocess.run(
        [*shlex.split(rig), "--share", "/", "--", command],
        stdout=subprocess.PIPE,
        text=True,
        timeout=280,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_limits_arrive_inside(seen):
    assert seen["limits"] == [str(64 * _MIB), str(32 * _MIB), "50000", "100000", "20"]


def test_a_process_too_many_is_not_started(seen):
    assert "can't fork" in seen["too many processes"]


def test_limits_that_v2_has_no_more_are_left_out_with_a_warning(seen):
    assert [line.partition(".")[0] for line in seen["lacking"]] == [
        "WARNING: Your kernel does not support memory swappiness capabilities or the cgroup is not mounted",
        "WARNING: Your kernel does not support OomKillDisable",
    ]


def test_any_node_is_made_and_only_dockers_devices_are_opened(seen):
    assert seen["devices"]["null"] == seen["devices"]["full"] == "opened"
    assert "Operation not permitted" in seen["devices"]["mem"]
    assert "/tmp/mem" in seen["devices"]["mem"]


def test_a_privileged_container_opens_any_device(seen):
    assert seen["privileged"] == "opened"


def test_what_it_uses_is_told(seen):
    stats = json.loads(seen["stats"])
    assert stats["PIDs"] == "1"
    assert stats["MemUsage"].endswith(" / 64MiB")
    assert float(stats["CPUPerc"].rstrip("%")) > 5


def test_a_running_container_gets_other_limits(seen):
    assert seen["update"] == "one"
    assert seen["updated"] == [str(80 * _MIB), str(20 * _MIB), "20000", "100000", "9", "4"]


def test_it_is_paused_listed_and_stopped(seen):
    assert (seen["paused"], seen["top"], seen["stop"]) == ("paused", "done", "one")


def test_nothing_is_left_of_its_groups(seen):
    assert [path for path in seen["left"] if path.startswith("/tuidock/")] == ["/tuidock/supervisors"]


def test_a_process_that_is_killed_for_memory_is_told_of(seen):
    init, child = seen["oom"]
    assert (init["OOMKilled"], init["ExitCode"], init["Status"]) == (True, 137, "exited")
    assert (child["OOMKilled"], child["Status"]) == (True, "running")


def test_a_group_that_was_delegated_is_divided_and_never_left(seen):
    delegated = seen["delegated"]
    assert delegated["moved"] == "0::/td-test.scope/tuidock.callers"
    assert delegated["limit"] == str(64 * _MIB)
    assert len(delegated["groups"]) == 2
    assert "/td-test.scope/tuidock/supervisors" in delegated["groups"]
    assert delegated["outside"] == ["/tuidock/supervisors"]


def test_inside_another_engines_container_its_root_is_divided(seen):
    assert seen["nested"] == str(64 * _MIB)
