from __future__ import annotations

import pytest

from engine.errors import CommandNotFound
from engine.options import DeviceRate, Resources
from engine.runtime.cgroups.hosts import own_group, parent_group, parse_mountinfo, read_host
from tests.engine.runtime.cgroups.test_plans import HYBRID

PURE = "30 23 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


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


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", "tuidock"),
        ("/", "tuidock"),
        ("a", "a"),
        ("/a/b/", "a/b"),
        ("../../a", "a"),
        ("a/../..", "tuidock"),
    ],
)
def test_a_parent_leads_out_of_no_hierarchy(wanted, found):
    assert parent_group(wanted) == found


def test_the_own_group_is_that_of_the_unified_hierarchy():
    assert own_group("5:memory:/m\n0::/user.slice/s.scope\n") == "/user.slice/s.scope"
    assert own_group("0::/\n") == ""


def test_who_was_moved_aside_still_belongs_to_the_delegated_group():
    assert own_group("0::/s.scope/tuidock.callers\n") == "/s.scope"


def test_devices_that_limits_name_are_looked_up():
    host = read_host(Resources(device_read_bps=(DeviceRate("/dev/null", 1),)))
    assert host.numbers == {"/dev/null": "1:3"}


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(CommandNotFound, match="stat /dev/nothere: no such file or directory"):
        read_host(Resources(device_read_bps=(DeviceRate("/dev/nothere", 1),)))
