"""Device programs: on cgroup v2, pure or beside v1."""

from __future__ import annotations

import os
import secrets
import stat
import subprocess

import pytest

from engine.shim import cgroup
from engine.shim.bpf import device_program, guard_devices
from engine.shim.refusal import Stage

INSTRUCTION = 8
ROOTS = [
    path for path in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified") if os.path.exists(f"{path}/cgroup.procs")
]


@pytest.fixture
def group():
    path = f"{ROOTS[0]}/td-test-{secrets.token_hex(6)}"
    cgroup.create({"create": [path]}, Stage("test"))
    yield path
    assert cgroup.destroy([path]) == []


@pytest.fixture
def nodes(tmp_path):
    for name, number in (("null", 3), ("full", 7)):
        os.mknod(tmp_path / name, stat.S_IFCHR | 0o666, os.makedev(1, number))
    return tmp_path


def attempt(group, command) -> bool:
    """Whether the shell's ``command`` is permitted to a process in ``group``."""
    joining = f"echo $$ > {group}/cgroup.procs; {command}"
    done = subprocess.run(["sh", "-c", joining], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "not permitted" in done.stderr
    return done.returncode == 0


def test_no_rule_allows_nothing():
    assert len(device_program([])) == 8 * INSTRUCTION


def test_every_rule_is_a_block_that_ends():
    everything = device_program(["a *:* rwm"])
    assert len(everything) == 10 * INSTRUCTION
    assert len(device_program(["c 1:3 rwm"])) == 13 * INSTRUCTION
    assert len(device_program(["c *:* m"])) == 14 * INSTRUCTION


@pytest.mark.root
@pytest.mark.skipif(not ROOTS, reason="NEEDS CGROUP V2: mount a unified hierarchy to test this")
class TestAttached:
    def test_only_what_a_rule_names_is_opened(self, group, nodes):
        guard_devices(group, ["c 1:3 rwm"])
        assert attempt(group, f"exec 3<> {nodes}/null")
        assert not attempt(group, f"exec 3< {nodes}/full")

    def test_a_rule_allows_no_more_than_its_letters(self, group, nodes):
        guard_devices(group, ["c 1:3 r"])
        assert attempt(group, f"exec 3< {nodes}/null")
        assert not attempt(group, f"exec 3<> {nodes}/null")

    def test_making_a_node_is_a_right_of_its_own(self, group, nodes):
        guard_devices(group, ["c *:* m"])
        assert attempt(group, f"mknod {nodes}/made c 1 7")
        assert not attempt(group, f"exec 3< {nodes}/made")
        assert not attempt(group, f"mknod {nodes}/block b 7 0")

    def test_any_number_is_a_star(self, group, nodes):
        guard_devices(group, ["c 1:* rw"])
        assert attempt(group, f"exec 3< {nodes}/full")
        assert not attempt(group, f"mknod {nodes}/made c 1 3")

    def test_a_later_rule_is_looked_at_where_an_earlier_one_does_not_fit(self, group, nodes):
        guard_devices(group, ["b 7:0 rwm", "c *:* m", "c 1:3 r", "c 1:7 rw"])
        assert attempt(group, f"exec 3< {nodes}/full")
        assert not attempt(group, f"exec 3<> {nodes}/null")
