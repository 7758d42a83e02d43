"""Control groups of both versions: made, joined, frozen, killed, removed."""

from __future__ import annotations

import os
import secrets
import subprocess
import time

import pytest

from engine.shim import cgroup
from engine.shim.refusal import Refusal, Stage

pytestmark = pytest.mark.root


def folders() -> list[tuple[int, str]]:
    if os.path.exists("/sys/fs/cgroup/cgroup.procs"):
        return [(2, "/sys/fs/cgroup")]
    found = [(1, "/sys/fs/cgroup/freezer"), (2, "/sys/fs/cgroup/unified")]
    return [(version, path) for version, path in found if os.path.exists(f"{path}/cgroup.procs")]


def time_used(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as stat:
        return sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))


@pytest.fixture(params=folders() if os.geteuid() == 0 else [(1, "")], ids=lambda one: f"v{one[0]}")
def group(request):
    version, root = request.param
    path = f"{root}/td-test-{secrets.token_hex(6)}"
    cgroup.create({"create": [path]}, Stage("test"))
    yield {"version": version, "dir": path}
    assert cgroup.destroy([path]) == []


def sleeper(group) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(["sleep", "1000"])
    cgroup.join([f"{group['dir']}/cgroup.procs"], process.pid)
    return process


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def test_members_are_those_that_joined_here_and_below(group):
    below = f"{group['dir']}/below"
    os.mkdir(below)
    one, two = sleeper(group), sleeper({"dir": below})
    assert sorted(cgroup.members(group["dir"])) == sorted((one.pid, two.pid))
    cgroup.kill(group["dir"])
    assert (one.wait(5), two.wait(5)) == (-9, -9)


def test_destroy_kills_and_removes_what_is_below_too(group):
    below = f"{group['dir']}/below"
    os.mkdir(below)
    process = sleeper({"dir": below})
    assert cgroup.destroy([group["dir"]]) == []
    assert (os.path.exists(group["dir"]), process.wait(5)) == (False, -9)


def test_destroy_of_a_frozen_group(group):
    process = sleeper(group)
    cgroup.freeze(group, frozen=True)
    assert cgroup.destroy([group["dir"]]) == []
    assert process.wait(5) == -9


def test_destroy_of_nothing():
    assert cgroup.destroy(["/sys/fs/cgroup/no/such/group"]) == []


def test_frozen_processes_stand_still_until_thawed(group):
    process = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    cgroup.join([f"{group['dir']}/cgroup.procs"], process.pid)
    cgroup.freeze(group, frozen=True)
    before = time_used(process.pid)
    time.sleep(0.1)
    assert time_used(process.pid) == before
    cgroup.freeze(group, frozen=False)
    while time_used(process.pid) == before:
        time.sleep(0.01)
    process.kill()
    process.wait()


def test_thaw_leaves_running_ones_alone(group):
    process = sleeper(group)
    cgroup.thaw([group["dir"]])
    assert state_of(process.pid) in {"S", "R"}
    process.kill()
    process.wait()


def test_refused_value_names_the_file(group):
    with pytest.raises(OSError) as caught:
        cgroup.write(f"{group['dir']}/cgroup.procs", "nonsense")
    assert caught.value.filename == f"{group['dir']}/cgroup.procs"


def test_freezing_what_is_not_there_is_refused():
    with pytest.raises((OSError, Refusal)):
        cgroup.freeze({"version": 1, "dir": "/sys/fs/cgroup/no/such"}, frozen=True)


def limited(*writes: tuple[str, str]) -> dict[str, object]:
    return {"writes": [list(write) for write in writes]}


def test_what_cannot_be_frozen_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup, "_SECONDS", 0.01)
    (tmp_path / "cgroup.freeze").write_text("0")
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")  # one of them hangs in the kernel
    with pytest.raises(Refusal):
        cgroup.freeze({"version": 2, "dir": str(tmp_path)}, frozen=True)
    assert (tmp_path / "cgroup.freeze").read_text() == "0"


def test_other_limits_are_written_and_kept_for_the_next_run(tmp_path):
    (tmp_path / "pids.max").write_text("5")
    path = f"{tmp_path}/pids.max"
    plan = limited((path, "5"))
    cgroup.change(plan, [[path, "9"]], Stage("test"), live=True)
    assert ((tmp_path / "pids.max").read_text(), plan["writes"]) == ("9", [[path, "9"]])


def test_between_two_runs_limits_are_only_kept(tmp_path):
    path = f"{tmp_path}/pids.max"
    plan = limited()
    cgroup.change(plan, [[path, "9"]], Stage("test"), live=False)
    assert (os.path.exists(path), plan["writes"]) == (False, [[path, "9"]])


def test_when_one_limit_is_refused_the_others_are_taken_back(tmp_path):
    (tmp_path / "pids.max").write_text("5")
    path = f"{tmp_path}/pids.max"
    plan = limited((path, "5"))
    with pytest.raises(FileNotFoundError):
        cgroup.change(plan, [[path, "9"], [f"{tmp_path}/gone", "1"]], Stage("test"), live=True)
    assert ((tmp_path / "pids.max").read_text(), plan["writes"]) == ("5", [[path, "5"]])


def test_the_limit_of_swap_follows_that_of_memory_in_the_next_run(tmp_path):
    memory, both = f"{tmp_path}/memory.limit_in_bytes", f"{tmp_path}/memory.memsw.limit_in_bytes"
    plan = limited()
    cgroup.change(plan, [[both, "-1"], [memory, "5"]], Stage("test"), live=False)
    assert plan["writes"] == [[memory, "5"], [both, "-1"]]


def test_who_is_in_a_group_that_is_divided_moves_into_its_leaf(group):
    if group["version"] == 1:
        pytest.skip("v1 groups may have members beside groups")
    process = sleeper(group)
    leaf = f"{group['dir']}/leaf"
    cgroup.create({"vacate": [group["dir"], leaf]}, Stage("test"))
    with open(f"{leaf}/cgroup.procs") as procs:
        assert procs.read().split() == [str(process.pid)]
    cgroup.kill(leaf)
    process.wait(5)
