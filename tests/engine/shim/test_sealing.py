"""An image that puts something of its own where the kernel's files are trusted is refused."""

from __future__ import annotations

import errno
import os

import pytest

from engine import errors
from engine.shim import sealing

pytestmark = pytest.mark.root


def image_with(box, bundle, tmp_path, **links: str):
    """A layer on top of the bundle's image, with links by name."""
    layer = tmp_path / "layer"
    layer.mkdir(exist_ok=True)
    for name, target in links.items():
        (layer / name).symlink_to(target)
    bundle["rootfs"]["lower"].insert(0, str(layer))
    return bundle


@pytest.mark.parametrize(("name", "kind"), [("proc", "proc"), ("sys", "sysfs")])
async def test_a_kernel_file_system_is_mounted_on_a_folder_alone(box, tmp_path, name, kind):
    bundle = image_with(box, box.bundle("true"), tmp_path, **{name: "/tmp"})
    with pytest.raises(errors.RuntimeFailure, match=f'filesystem "{kind}" must be mounted on ordinary'):
        await box.execute(bundle)


@pytest.mark.parametrize("link", ["/proc", "/proc/sys", "proc/self/../sys"])
async def test_no_link_leads_a_mount_over_the_kernels_files(box, tmp_path, link):
    bundle = image_with(box, box.bundle("true"), tmp_path, data=link)
    bundle["mounts"].append(
        {"type": "tmpfs", "source": "tmpfs", "target": "/data", "flags": [], "data": "size=64k"}
    )
    with pytest.raises(errors.RuntimeFailure, match="cannot be mounted because it is"):
        await box.execute(bundle)


async def test_a_folder_that_lxcfs_emulates_may_be_mounted(box, tmp_path):
    (tmp_path / "uptime").write_text("1.00 1.00\n")
    bundle = box.bundle("cat", "/proc/uptime")
    bundle["mounts"].append(
        {"type": "bind", "source": f"{tmp_path}/uptime", "target": "/proc/uptime", "flags": ["bind"]}
    )
    assert (await box.execute(bundle))[1] == b"1.00 1.00\n"


def test_a_parameter_is_only_written_into_procfs():
    """CVE-2025-52881."""
    top = os.open("/", os.O_PATH | os.O_DIRECTORY)
    with pytest.raises(OSError, match="not a file of the kernel's") as caught:
        sealing.open_kernel_file(top, "/etc/hostname", os.O_RDONLY)
    os.close(sealing.open_kernel_file(top, "/proc/sys/kernel/ostype", os.O_RDONLY))
    os.close(top)
    assert caught.value.errno == errno.EXDEV


async def test_a_terminal_is_the_kernels(box, tmp_path):
    (tmp_path / "ptmx").touch()
    bundle = box.bundle("true", tty=True)
    bundle["mounts"].append(
        {"type": "bind", "source": str(tmp_path), "target": "/dev/pts", "flags": ["bind"]}
    )
    with pytest.raises(errors.RuntimeFailure, match="no terminal multiplexer"):
        await box.execute(bundle)


async def test_the_working_directory_is_made_where_a_link_leads_inside(box, tmp_path):
    bundle = image_with(box, box.bundle("pwd", process={"cwd": "/link/new"}), tmp_path, link="/srv")
    assert (await box.execute(bundle))[1] == b"/srv/new\n"


async def test_users_come_from_the_image_whatever_links_it_has(box, tmp_path):
    bundle = image_with(box, box.bundle("id", "-u", process={"user": "only-here"}), tmp_path)
    layer = tmp_path / "layer"
    (layer / "etc").mkdir()
    (layer / "etc" / "passwd").symlink_to("/../../../../srv/users")
    (layer / "srv").mkdir()
    (layer / "srv" / "users").write_text("only-here:x:4321:4321::/:/bin/sh\n")
    assert (await box.execute(bundle))[1] == b"4321\n"
