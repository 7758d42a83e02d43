from __future__ import annotations

import os
import stat

import pytest

from engine.runtime.initlayer import host_devices, make_container_folder

pytestmark = pytest.mark.root


def layer(folder: str, **entries: int) -> str:
    """A tree with directories of these modes (keyword names are paths)."""
    os.makedirs(folder)
    for name, mode in entries.items():
        os.mkdir(f"{folder}/{name}")
        os.chmod(f"{folder}/{name}", mode)
    return folder


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def test_the_mount_points_are_there(tmp_path):
    make_container_folder(f"{tmp_path}/c", (layer(f"{tmp_path}/l"),))
    init = f"{tmp_path}/c/init"
    assert sorted(os.listdir(init)) == [".dockerenv", "dev", "etc", "proc", "sys"]
    assert sorted(os.listdir(f"{init}/etc")) == ["hostname", "hosts", "mtab", "resolv.conf"]


def test_a_folder_shows_the_attributes_of_the_topmost_layers(tmp_path):
    bottom = layer(f"{tmp_path}/bottom", etc=0o700, proc=0o511)
    top = layer(f"{tmp_path}/top", etc=0o751)
    os.chown(f"{top}/etc", 3, 4)
    os.utime(f"{top}/etc", ns=(10**9, 2 * 10**9))
    make_container_folder(f"{tmp_path}/c", (top, bottom))
    status = os.stat(f"{tmp_path}/c/init/etc")
    assert (mode_of(f"{tmp_path}/c/init/etc"), status.st_uid, status.st_gid) == (0o751, 3, 4)
    assert status.st_mtime_ns == 2 * 10**9
    assert mode_of(f"{tmp_path}/c/init/proc") == 0o511


def test_the_fresh_upper_shows_the_attributes_of_the_images_root(tmp_path):
    lower = layer(f"{tmp_path}/l")
    os.chmod(lower, 0o711)
    os.setxattr(lower, "user.mark", b"x")
    make_container_folder(f"{tmp_path}/c", (lower,))
    for name in ("upper", "init"):
        assert mode_of(f"{tmp_path}/c/{name}") == 0o711
        assert os.getxattr(f"{tmp_path}/c/{name}", "user.mark") == b"x"


def test_a_folder_that_the_image_deleted_is_made_anew(tmp_path):
    bottom, top = layer(f"{tmp_path}/bottom", etc=0o700), layer(f"{tmp_path}/top")
    os.mknod(f"{top}/etc", stat.S_IFCHR, os.makedev(0, 0))
    make_container_folder(f"{tmp_path}/c", (top, bottom))
    assert mode_of(f"{tmp_path}/c/init/etc") == 0o755


def test_a_link_of_the_image_is_not_hidden(tmp_path):
    lower = layer(f"{tmp_path}/l")
    os.symlink("usr/etc", f"{lower}/etc")
    make_container_folder(f"{tmp_path}/c", (lower,))
    assert not os.path.lexists(f"{tmp_path}/c/init/etc")


def test_the_callers_umask_changes_nothing(tmp_path):
    before = os.umask(0o077)
    try:
        make_container_folder(f"{tmp_path}/c", (layer(f"{tmp_path}/l"),))
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert mode_of(f"{tmp_path}/c/init/etc/hosts") == 0o644


def test_an_image_without_layers_has_them_too(tmp_path):
    make_container_folder(f"{tmp_path}/c", ())
    assert os.path.isdir(f"{tmp_path}/c/init/proc")


def test_the_hosts_devices_have_kind_and_number():
    null = next(device for device in host_devices() if device["path"] == "/dev/null")
    assert (null["type"], null["major"], null["minor"]) == ("c", 1, 3)
