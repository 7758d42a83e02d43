"""Owns what workers mount and enter: in a namespace of their own, gone with them; refuses container roots."""

from __future__ import annotations

import os

from engine.shim import linux, rootfs
from engine.shim.refusal import Stage

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Sequence

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def private_mounts() -> None:
    """Leave the host's mount namespace: what is mounted from now on lives in this process only."""
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_SLAVE)


def mount_overlay(lower: Sequence[str], upper: str, work: str) -> str:
    """Mount the trees ``lower`` (top first) under ``upper``, over ``upper`` itself; returns the path.

    Without ``lower`` nothing needs to be mounted. It is volatile: nothing is synced when it goes.
    """
    if not lower:
        return upper
    tree = {"lower": list(lower), "upper": upper, "work": work, "volatile": True}
    return rootfs.mount_overlay(tree, Stage("mounting a tree"))


def mount_read_only(lower: Sequence[str], scratch: str) -> int:
    """The trees ``lower`` (top first) as one on the folder ``scratch``, for this process alone; opened."""
    private_mounts()
    held = [os.open(path, _FOLDER) for path in lower]
    # By descriptors: a hundred paths would not fit into mount(2)'s page of options.
    options = "lowerdir=" + ":".join(f"/proc/self/fd/{descriptor}" for descriptor in held)
    linux.mount("overlay", scratch, "overlay", linux.MS_RDONLY, options)
    for descriptor in held:
        os.close(descriptor)
    return os.open(scratch, _FOLDER)


def mount_memory(path: str) -> None:
    """Mount a tmpfs on ``path``, for its owner's eyes; after ``private_mounts``."""
    linux.mount("tmpfs", path, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=700")


def enter_users(namespace: int) -> None:
    """Be root in the user namespace ``namespace`` (a descriptor), with no right outside of it any more."""
    linux.setns(namespace, linux.CLONE_NEWUSER)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def unmount(lower: Sequence[str], path: str) -> None:
    """Undo ``mount_overlay``, so that the upper directory can be renamed."""
    if lower:
        linux.umount2(path)
