from __future__ import annotations

from engine.records import MountPoint
from engine.runtime.cgroups import Hierarchy, HostCgroups
from engine.runtime.mounts import Mount, device_nodes, mount_plan, user_mount

V2 = HostCgroups(unified="/sys/fs/cgroup")
V1 = HostCgroups(hierarchies=(Hierarchy("/sys/fs/cgroup/pids", ("pids",)),))
FILES = {"/etc/hosts": "/c/hosts"}


def plan(points=(), host=V2, **options):
    return mount_plan(host, "c1", points, FILES, **options)


def targets(found):
    return [mount.target for mount in found.mounts]


def test_the_engine_mounts_in_dockers_order():
    assert targets(plan()) == [
        "/proc",
        "/dev",
        "/dev/pts",
        "/dev/shm",
        "/dev/mqueue",
        "/sys",
        "/sys/fs/cgroup",
        "/etc/hosts",
    ]


def test_sys_and_cgroup_are_read_only_unless_privileged():
    assert "ro" in next(mount for mount in plan().mounts if mount.target == "/sys").flags
    free = plan(privileged=True)
    assert not any("ro" in mount.flags for mount in free.mounts)
    assert (free.masked_paths, free.readonly_paths) == ((), ())


def test_v1_groups_lie_in_a_tmpfs_that_is_sealed_at_the_end():
    found = plan(host=V1)
    position = targets(found).index("/sys/fs/cgroup")
    assert found.mounts[position].type == "tmpfs"
    assert found.mounts[position + 1].source == "/sys/fs/cgroup/pids/tuidock/c1"
    assert "/sys/fs/cgroup" in found.readonly_paths


def test_kernel_paths_are_hidden():
    assert {"/proc/kcore", "/proc/keys", "/sys/firmware"} <= set(plan().masked_paths)
    assert "/proc/sys" in plan().readonly_paths


def test_a_mount_of_the_user_takes_the_place_of_the_engines():
    point = MountPoint(type="bind", source="/mine", target="/etc/hosts")
    found = plan([point])
    assert [mount.source for mount in found.mounts if mount.target == "/etc/hosts"] == ["/mine"]


def test_a_whole_dev_of_the_user_leaves_no_engine_mount_below_it():
    found = plan([MountPoint(type="bind", source="/dev", target="/dev")])
    assert [target for target in targets(found) if target.startswith("/dev")] == ["/dev"]


def test_parents_are_mounted_before_what_lies_in_them():
    points = [
        MountPoint(type="bind", source="/b", target="/a/b/c"),
        MountPoint(type="bind", source="/a", target="/a"),
    ]
    assert targets(plan(points))[-2:] == ["/a", "/a/b/c"]


def test_the_engines_files_are_seen_in_a_volume_on_etc():
    found = plan([MountPoint(type="volume", source="/v", target="/etc")])
    assert targets(found)[-2:] == ["/etc", "/etc/hosts"]


def test_a_read_only_bind_is_recursive_and_private():
    point = MountPoint(type="bind", source="/s", target="/t", read_only=True)
    assert user_mount(point) == Mount("bind", "/s", "/t", ("rbind", "rprivate", "ro"))


def test_a_tmpfs_has_its_size_and_mode():
    point = MountPoint(type="tmpfs", source="", target="/t", tmpfs_size=4096, tmpfs_mode=0o700)
    assert user_mount(point) == Mount(
        "tmpfs", "tmpfs", "/t", ("nosuid", "noexec", "nodev"), "mode=700,size=4096"
    )


def test_devices_are_dockers_six_and_the_hosts_do_not_replace_them():
    host = [{"path": "/dev/null", "major": 9}, {"path": "/dev/sda", "major": 8}]
    paths = [node["path"] for node in device_nodes(host)]
    assert paths == [
        "/dev/null",
        "/dev/zero",
        "/dev/full",
        "/dev/random",
        "/dev/urandom",
        "/dev/tty",
        "/dev/sda",
    ]


def test_without_a_device_list_no_node_in_a_volume_can_be_opened():
    volume = MountPoint(type="volume", source="/v", target="/v")
    guarded = HostCgroups(hierarchies=(Hierarchy("/sys/fs/cgroup/devices", ("devices",)),))
    flags = [plan([volume], host=host).mounts[-1].flags for host in (V2, guarded)]
    assert flags == [("rbind", "rprivate", "nodev"), ("rbind", "rprivate")]
    assert "nodev" not in plan([volume], privileged=True).mounts[-1].flags
