from __future__ import annotations

import msgspec

from engine.options import DeviceRate, DeviceWeight, Resources
from engine.runtime.cgroups import HostCgroups, cgroup_plan, parse_mountinfo, session_procs, visible_mounts

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
V2 = HostCgroups(
    unified="/sys/fs/cgroup",
    available=("cpu", "cpuset", "io", "memory", "pids"),
    swap_accounting=True,
    bpf=True,
)


def test_v1_makes_the_parent_before_the_group_in_each_hierarchy():
    plan = cgroup_plan(parse_mountinfo(HYBRID), "c1", Resources())
    assert plan.create[:2] == ("/sys/fs/cgroup/cpu,cpuacct/tuidock", "/sys/fs/cgroup/cpu,cpuacct/tuidock/c1")
    assert "/sys/fs/cgroup/memory/tuidock/c1" in plan.members
    assert all(path.endswith("/tuidock/c1") for path in plan.members)


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
    control = "+cpu +cpuset +io +memory +pids"
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


def test_jobs_leave_their_callers_group():
    assert session_procs(V2)[1] == ("/sys/fs/cgroup/tuidock/supervisors/cgroup.procs",)


def write_of(plan, name):
    return [value for path, value in plan.writes if path.rpartition("/")[2] == name]


def test_v2_allows_the_devices_of_v1_by_a_program():
    plan = cgroup_plan(V2, "c1", Resources(), devices=("c 10:229 rwm",))
    assert plan.devices is not None
    assert plan.devices[0] == "/sys/fs/cgroup/tuidock/c1"
    assert plan.devices[1][-1] == "c 10:229 rwm"
    assert "c 1:3 rwm" in plan.devices[1]


def test_v2_leaves_a_privileged_container_all_devices():
    assert cgroup_plan(V2, "c1", Resources(), privileged=True).devices is None


def test_v2_guards_nothing_on_a_kernel_without_programs():
    host = msgspec.structs.replace(V2, bpf=False)
    assert (host.guards_devices, cgroup_plan(host, "c1", Resources()).devices) == (False, None)


def test_v2_keeps_below_the_group_that_was_delegated():
    host = msgspec.structs.replace(V2, base="/sys/fs/cgroup/s.scope")
    plan = cgroup_plan(host, "c1", Resources())
    assert plan.members == ("/sys/fs/cgroup/s.scope/tuidock/c1",)
    assert plan.vacate == ("/sys/fs/cgroup/s.scope", "/sys/fs/cgroup/s.scope/tuidock.callers")
    assert all(path.startswith("/sys/fs/cgroup/s.scope/") for path, _ in plan.writes)
    assert plan.supervisor_procs == ("/sys/fs/cgroup/s.scope/tuidock/supervisors/cgroup.procs",)


def test_v2_a_group_that_is_divided_already_is_left_by_nobody():
    host = msgspec.structs.replace(V2, base="/sys/fs/cgroup/s.scope", enabled=frozenset(V2.available))
    assert cgroup_plan(host, "c1", Resources()).vacate is None


def test_v2_controllers_are_passed_down_to_a_parent_that_is_named():
    host = msgspec.structs.replace(V2, parent="a/b")
    plan = cgroup_plan(host, "c1", Resources())
    assert plan.create[:2] == ("/sys/fs/cgroup/a", "/sys/fs/cgroup/a/b")
    assert [path for path, _ in plan.writes] == [
        "/sys/fs/cgroup/cgroup.subtree_control",
        "/sys/fs/cgroup/a/cgroup.subtree_control",
        "/sys/fs/cgroup/a/b/cgroup.subtree_control",
    ]


def test_v1_a_parent_that_is_named_is_made_level_by_level():
    host = msgspec.structs.replace(parse_mountinfo(HYBRID), parent="a/b", cpuset=("0-3", "0"))
    plan = cgroup_plan(host, "c1", Resources())
    assert "/sys/fs/cgroup/memory/a/b/c1" in plan.members
    assert [path for path, _ in plan.writes if path.endswith("cpuset.cpus")] == [
        "/sys/fs/cgroup/cpuset/a/cpuset.cpus",
        "/sys/fs/cgroup/cpuset/a/b/cpuset.cpus",
        "/sys/fs/cgroup/cpuset/a/b/c1/cpuset.cpus",
    ]


def test_v1_a_parent_that_has_its_cpuset_keeps_it():
    host = msgspec.structs.replace(parse_mountinfo(HYBRID), cpuset=("0-3", "0"), cpuset_ready=True)
    writes = cgroup_plan(host, "c1", Resources()).writes
    assert [path for path, _ in writes if path.endswith("cpuset.cpus")] == [
        "/sys/fs/cgroup/cpuset/tuidock/c1/cpuset.cpus"
    ]


BLKIO = HYBRID + "42 31 0:39 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio\n"
DISK = Resources(
    blkio_weight=500,
    blkio_weight_device=(DeviceWeight("/dev/sda", 10),),
    device_read_bps=(DeviceRate("/dev/sda", 1 << 20),),
    device_write_iops=(DeviceRate("/dev/sda", 0),),
)


def test_v1_limits_of_disks_name_them_by_number():
    host = msgspec.structs.replace(parse_mountinfo(BLKIO), numbers={"/dev/sda": "8:0"})
    plan = cgroup_plan(host, "c1", DISK)
    assert write_of(plan, "blkio.weight") == ["500"]
    assert write_of(plan, "blkio.weight_device") == ["8:0 10"]
    assert write_of(plan, "blkio.throttle.read_bps_device") == ["8:0 1048576"]
    assert write_of(plan, "blkio.throttle.write_iops_device") == ["8:0 0"]


def test_v2_limits_of_disks_share_a_file_and_0_is_none():
    host = msgspec.structs.replace(V2, numbers={"/dev/sda": "8:0"}, weight_file="io.weight")
    plan = cgroup_plan(host, "c1", DISK)
    assert write_of(plan, "io.weight") == ["4950", "8:0 1"]
    assert write_of(plan, "io.max") == ["8:0 rbps=1048576", "8:0 wiops=max"]


def test_v1_takes_times_as_they_are_given():
    limits = Resources(cpu_period=50_000, cpu_quota=-1, cpu_realtime_runtime=5, cpu_realtime_period=9)
    plan = cgroup_plan(parse_mountinfo(HYBRID), "c1", limits)
    assert (write_of(plan, "cpu.cfs_period_us"), write_of(plan, "cpu.cfs_quota_us")) == (["50000"], ["-1"])
    assert (write_of(plan, "cpu.rt_runtime_us"), write_of(plan, "cpu.rt_period_us")) == (["5"], ["9"])


def test_v2_joins_quota_and_period():
    assert write_of(cgroup_plan(V2, "c1", Resources(cpu_period=50_000)), "cpu.max") == ["max 50000"]
    assert write_of(cgroup_plan(V2, "c1", Resources(cpu_quota=2_000)), "cpu.max") == ["2000 100000"]


def test_v1_memory_that_waits_instead_of_dying():
    plan = cgroup_plan(parse_mountinfo(HYBRID), "c1", Resources(memory_swappiness=0, oom_kill_disable=True))
    assert (write_of(plan, "memory.swappiness"), write_of(plan, "memory.oom_control")) == (["0"], ["1"])


def test_v2_unlimited_swap():
    assert write_of(cgroup_plan(V2, "c1", Resources(memory=1 << 26, memory_swap=-1)), "memory.swap.max") == [
        "max"
    ]


def test_v2_without_swap_accounting_swap_is_not_written():
    host = msgspec.structs.replace(V2, swap_accounting=False)
    assert write_of(cgroup_plan(host, "c1", Resources(memory=1 << 26)), "memory.swap.max") == []
