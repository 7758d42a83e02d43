"""Owns overlay mounts of workers: in a namespace of their own, gone with them; refuses container roots."""

from __future__ import annotations

from engine.shim import linux, rootfs
from engine.shim.refusal import Stage

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Sequence


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


def unmount(lower: Sequence[str], path: str) -> None:
    """Undo ``mount_overlay``, so that the upper directory can be renamed."""
    if lower:
        linux.umount2(path)
