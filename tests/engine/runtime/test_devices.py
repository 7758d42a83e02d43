from __future__ import annotations

import os
import stat

import pytest

from engine.errors import CommandNotFound, InvalidInput, RuntimeFailure
from engine.options import CreateOptions, DeviceSpec
from engine.runtime.devices import check_devices, find_devices


def asked(*specs: tuple[str, str, str], rules: tuple[str, ...] = ()) -> CreateOptions:
    devices = tuple(
        DeviceSpec(path_on_host=host, path_in_container=name, permissions=mode) for host, name, mode in specs
    )
    return CreateOptions(image="busybox", devices=devices, device_cgroup_rules=rules)


def test_a_device_is_the_hosts_under_the_name_that_was_asked_for():
    found = find_devices(asked(("/dev/zero", "/dev/nought", "r")))
    (node,) = found.nodes
    assert (node["path"], node["source"], node["type"]) == ("/dev/nought", "/dev/zero", "c")
    assert (node["major"], node["minor"]) == (1, 5)
    assert node["mode"] == stat.S_IMODE(os.stat("/dev/zero").st_mode)
    assert found.rules == ("c 1:5 r",)


def test_a_link_to_a_device_is_followed(tmp_path):
    (tmp_path / "link").symlink_to("/dev/zero")
    (node,) = find_devices(asked((f"{tmp_path}/link", "/dev/link", "rwm"))).nodes
    assert (node["path"], node["source"]) == ("/dev/link", "/dev/zero")


@pytest.mark.root
def test_a_folder_brings_the_devices_in_it(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "text").write_text("no device")
    os.mknod(tmp_path / "one", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mknod(tmp_path / "below" / "two", stat.S_IFBLK | 0o600, os.makedev(7, 1))
    found = find_devices(asked((str(tmp_path), "/dev/those", "rw")))
    assert {node["path"] for node in found.nodes} == {"/dev/those/one", "/dev/those/below/two"}
    assert set(found.rules) == {"c 1:3 rw", "b 7:1 rw"}


def test_what_is_not_there_is_said_in_dockers_words():
    with pytest.raises(CommandNotFound) as caught:
        find_devices(asked(("/dev/nosuch", "/dev/x", "rwm")))
    assert str(caught.value) == (
        'error gathering device information while adding custom device "/dev/nosuch":'
        " no such file or directory"
    )


def test_what_is_no_device_is_refused(tmp_path):
    with pytest.raises(RuntimeFailure, match="not a device node"):
        find_devices(asked((str(tmp_path), "/dev/x", "rwm")))


def test_a_rule_for_all_kinds_is_said_by_kind():
    """The kernel reads "a 1:3 r" as everything."""
    assert find_devices(asked(rules=("a 1:3 r", "c 10:* rw"))).rules == ("c 1:3 r", "b 1:3 r", "c 10:* rw")


@pytest.mark.parametrize(
    "options",
    [
        asked(("/dev/zero", "zero", "r")),
        asked(("/dev/zero", "/dev/zero", "x")),
        asked(("/dev/zero", "/dev/zero", "")),
        asked(rules=("c 1:3",)),
        asked(rules=("c 1:3 rwm\nc *:* rwm",)),
    ],
)
def test_what_cannot_be_meant_is_refused(options):
    with pytest.raises(InvalidInput):
        check_devices(options)
