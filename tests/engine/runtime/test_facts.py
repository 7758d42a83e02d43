from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys

import pytest

from engine.records import ContainerState
from engine.runtime.facts import Facts, final_state, read_facts, read_state
from engine.runtime.liveness import open_supervisor
from engine.shim.lock import lock_holder

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    lock = f"{tmp_path}/lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield lock, process
        process.stdin.close()


def test_the_holder_of_the_lock_is_named(holder):
    lock, process = holder
    assert lock_holder(lock) == process.pid


def test_a_lock_that_is_free_or_missing_has_no_holder(tmp_path):
    assert lock_holder(f"{tmp_path}/none") == 0
    with open(f"{tmp_path}/lock", "w"):
        assert lock_holder(f"{tmp_path}/lock") == 0
    assert open_supervisor(f"{tmp_path}/lock") is None


def test_our_own_locks_are_not_mistaken_for_a_supervisors(tmp_path):
    with open(f"{tmp_path}/lock", "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert lock_holder(f"{tmp_path}/lock") == 0


def test_a_pidfd_of_the_supervisor_is_readable_at_its_end(holder):
    import select

    lock, process = holder
    pidfd = open_supervisor(lock)
    assert select.select([pidfd], [], [], 0)[0] == []
    process.stdin.close()
    assert select.select([pidfd], [], [], 5)[0] == [pidfd]
    os.close(pidfd)


def test_a_state_with_members_of_a_later_release_is_read(tmp_path):
    path = f"{tmp_path}/state.json"
    with open(path, "w") as file:
        json.dump({"version": 1, "status": "exited", "exit_code": 4, "error": None, "mood": "good"}, file)
    assert read_state(path) == ContainerState(status="exited", exit_code=4)


def test_a_torn_or_missing_state_is_none(tmp_path):
    path = f"{tmp_path}/state.json"
    assert read_state(path) is None
    with open(path, "w") as file:
        file.write('{"status": "run')
    assert read_state(path) is None
    for text in ("[1, 2]", '{"status": 5}'):
        with open(path, "w") as file:
            file.write(text)
        assert read_state(path) is None


def test_the_facts_of_nothing(paths):
    assert read_facts(paths, "c" * 64) == Facts(alive=False, state=None)


def test_an_end_that_was_written_is_taken_as_it_is():
    state = ContainerState(status="exited", exit_code=9, finished_at=5, pid=7)
    assert final_state(Facts(alive=False, state=state), ContainerState(), 6, 0).exit_code == 9
    assert final_state(Facts(alive=False, state=state), ContainerState(), 6, 0).pid == 0


def test_a_start_that_never_was_leaves_it_created():
    final = final_state(Facts(alive=False, state=None), ContainerState(started_at=3), 6, 0)
    assert (final.status, final.started_at, final.error) == ("created", 3, "the start was interrupted")


def test_an_end_that_nobody_saw_has_255():
    final = final_state(
        Facts(alive=False, state=ContainerState(status="running", pid=5)), ContainerState(), 6, 4
    )
    assert (final.status, final.exit_code, final.pid, final.finished_at) == ("exited", 255, 0, 6)
