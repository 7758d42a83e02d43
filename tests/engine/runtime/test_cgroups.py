from __future__ import annotations

import msgspec
import pytest

from engine.errors import InvalidInput
from engine.options import Resources
from engine.runtime.cgroups import (
    HostCgroups,
    cgroup_plan,
    check_resources,
    parse_mountinfo,
    procs_file,
    session_procs,
    visible_mounts,
)

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
PURE = "30 23 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V2 = HostCgroups(unified="/sys/fs/cgroup", available=("cpu", "cpuset", "memory", "pids"))


def test_a_hybrid_host_has_v1_controllers():
    host = parse_mountinfo(HYBRID)
    assert (host.pure, host.version) == (False, "1")
    assert host.find("cpuacct") == host.find("cpu")
    assert host.find("memory").mount == "/sys/fs/cgroup/memory"


def test_a_unified_host_is_pure():
    host = parse_mountinfo(PURE)
    assert (host.pure, host.version, host.unified) == (True, "2", "/sys/fs/cgroup")


def test_a_hierarchy_mounted_twice_counts_once():
    assert len(parse_mountinfo(HYBRID + HYBRID).hierarchies) == 7


def test_v1_makes_the_parent_before_the_group_in_each_hierarchy():
    plan = cgroup_plan(parse_mountinfo(HYBRID), "c1", Resources())
    assert plan.create[:2] == ("/sys/fs/cgroup/cpu,cpuacct/tuidock", "/sys/fs/cgroup/cpu,cpuacct/tuidock/c1")
    assert "/sys/fs/cgroup/memory/tuidock/c1" in plan.members
    assert all(path.endswith("/tuidock/c1") for path in plan.members)
    assert not any("cpuset" in path for path in plan.create)


def test_v1_supervisors_leave_their_callers_systemd_group():
    plan = cgroup_plan(parse_mountinfo(HYBRID), "c1", Resources())
    assert plan.supervisor_procs == ("/sys/fs/cgroup/systemd/tuidock/supervisors/tasks",)


def test_under_systemd_a_hybrid_host_has_them_leave_the_v2_group_too():
    host = msgspec.structs.replace(parse_mountinfo(HYBRID), systemd=True)
    assert cgroup_plan(host, "c1", Resources()).supervisor_procs == (
        "/sys/fs/cgroup/systemd/tuidock/supervisors/tasks",
        "/sys/fs/cgroup/unified/tuidock/supervisors/cgroup.procs",
    )


def test_v1_denies_devices_before_it_allows_some():
    writes = [w for w in cgroup_plan(parse_mountinfo(HYBRID), "c1", Resources()).writes if "devices" in w[0]]
    assert writes[0] == ("/sys/fs/cgroup/devices/tuidock/c1/devices.deny", "a")
    assert ("/sys/fs/cgroup/devices/tuidock/c1/devices.allow", "c 1:3 rwm") in writes


def test_a_privileged_container_keeps_all_devices():
    plan = cgroup_plan(parse_mountinfo(HYBRID), "c1", Resources(), privileged=True)
    assert not any("devices" in path for path, _ in plan.writes)


def test_v1_cpuset_copies_cpus_and_mems_before_it_narrows_them():
    host = msgspec.structs.replace(parse_mountinfo(HYBRID), cpuset=("0-3", "0"))
    writes = [w for w in cgroup_plan(host, "c1", Resources(cpuset_cpus="1")).writes if "cpuset" in w[0]]
    assert writes == [
        ("/sys/fs/cgroup/cpuset/tuidock/cpuset.cpus", "0-3"),
        ("/sys/fs/cgroup/cpuset/tuidock/cpuset.mems", "0"),
        ("/sys/fs/cgroup/cpuset/tuidock/c1/cpuset.cpus", "1"),
        ("/sys/fs/cgroup/cpuset/tuidock/c1/cpuset.mems", "0"),
    ]


def test_v1_limits():
    host = msgspec.structs.replace(parse_mountinfo(HYBRID), swap_accounting=True)
    writes = cgroup_plan(host, "c1", Resources(memory=1 << 26, pids_limit=9, nano_cpus=1_500_000_000)).writes
    values = {path.rpartition("/")[2]: value for path, value in writes}
    assert values["memory.limit_in_bytes"] == str(1 << 26)
    assert values["memory.memsw.limit_in_bytes"] == str(1 << 27)
    assert values["pids.max"] == "9"
    assert (values["cpu.cfs_quota_us"], values["cpu.cfs_period_us"]) == ("150000", "100000")


def test_v1_unlimited_swap_is_not_written():
    host = msgspec.structs.replace(parse_mountinfo(HYBRID), swap_accounting=True)
    writes = cgroup_plan(host, "c1", Resources(memory=1 << 26, memory_swap=-1)).writes
    assert not any("memsw" in path for path, _ in writes)


def test_v2_whole():
    plan = cgroup_plan(
        V2,
        "c1",
        Resources(memory=1 << 26, memory_swap=3 << 25, pids_limit=5, nano_cpus=5 * 10**8, cpu_shares=1024),
    )
    control = "+cpu +cpuset +memory +pids"
    own = "/sys/fs/cgroup/tuidock/c1"
    assert plan.create == ("/sys/fs/cgroup/tuidock", "/sys/fs/cgroup/tuidock/supervisors", own)
    assert plan.writes == (
        ("/sys/fs/cgroup/cgroup.subtree_control", control),
        ("/sys/fs/cgroup/tuidock/cgroup.subtree_control", control),
        (f"{own}/memory.max", str(1 << 26)),
        (f"{own}/memory.swap.max", str(1 << 25)),
        (f"{own}/pids.max", "5"),
        (f"{own}/cpu.weight", "39"),
        (f"{own}/cpu.max", "50000 100000"),
    )
    assert (plan.freezer, plan.memory_events) == ((2, own), f"{own}/memory.events")
    assert plan.supervisor_procs == ("/sys/fs/cgroup/tuidock/supervisors/cgroup.procs",)


def test_v2_controllers_that_are_passed_on_are_left_alone():
    host = msgspec.structs.replace(V2, enabled=frozenset(V2.available))
    assert cgroup_plan(host, "c1", Resources()).writes == ()


def test_without_any_hierarchy_the_plan_is_empty():
    plan = cgroup_plan(HostCgroups(), "c1", Resources())
    assert (plan.create, plan.writes, plan.procs, plan.members) == ((), (), (), ())


def test_the_container_sees_its_own_groups():
    assert visible_mounts(V2, "c1") == (("/sys/fs/cgroup/tuidock/c1", ""),)
    assert ("/sys/fs/cgroup/memory/tuidock/c1", "memory") in visible_mounts(parse_mountinfo(HYBRID), "c1")


def test_processes_are_read_from_one_hierarchy():
    assert procs_file(V2, "c1") == "/sys/fs/cgroup/tuidock/c1/cgroup.procs"
    assert procs_file(parse_mountinfo(HYBRID), "c1") == "/sys/fs/cgroup/pids/tuidock/c1/cgroup.procs"
    assert procs_file(HostCgroups(), "c1") is None


def test_jobs_leave_their_callers_group():
    assert session_procs(V2)[1] == ("/sys/fs/cgroup/tuidock/supervisors/cgroup.procs",)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(memory=1 << 20), "Minimum memory limit allowed is 6MB"),
        (Resources(memory_swap=1 << 30), "always set the Memory limit"),
        (Resources(memory=1 << 30, memory_swap=1 << 29), "larger than memory limit"),
        (Resources(memory=1 << 26, memory_reservation=1 << 27), "memory reservation"),
        (Resources(nano_cpus=10**6), r"Range of CPUs is from 0.01 to \d+.00"),
        (Resources(nano_cpus=10**15), r"Range of CPUs is from 0.01 to \d+.00"),
        (Resources(cpuset_cpus="0-9999"), "Requested CPUs are not available: requested 0-9999"),
        (Resources(cpuset_cpus="0,x"), "Invalid value 0,x for cpuset cpus"),
        (Resources(cpuset_cpus=","), "Invalid value , for cpuset cpus"),
    ],
)
def test_limits_that_make_no_sense_are_refused(resources, words):
    with pytest.raises(InvalidInput, match=words):
        check_resources(resources, V2)


def test_a_limit_without_its_controller_is_refused():
    with pytest.raises(InvalidInput, match="no such control group controller"):
        check_resources(Resources(pids_limit=3), HostCgroups(unified="/sys/fs/cgroup", available=("cpu",)))
