"""Owns a container's files as a worker sees them: an open root directory, and paths resolved inside it only.

A running container is seen through the root of its main process, with all that it has mounted; a stopped one
is mounted again, with its binds and volumes, in a namespace of this process's own. Nothing of a container is
executed or loaded, and its root never becomes this process's (CVE-2019-14271). Refuses to follow links out.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from engine.errors import Conflict
from engine.shim import beneath, rootfs
from engine.shim.overlay import enter_users, mount_memory, private_mounts
from engine.shim.refusal import Stage
from engine.shim.worker import process_start_time

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_MOST_LINKS = 255


class Scope:
    """The root of a container, or of the host, as an open directory."""

    def __init__(self, root: int, users: int = -1) -> None:
        self.root = root
        self._users = users

    def become_root(self) -> None:
        """Be the container's root, where its users are not the host's: owners are those that it sees.

        For good: this process has no right on the host any more.
        """
        if self._users >= 0:
            enter_users(self._users)

    def open(self, path: str, flags: int = os.O_PATH) -> int:
        """A descriptor of ``path``, links followed inside the root; raises OSError."""
        return beneath.resolve(self.root, path, flags)

    def where(self, descriptor: int) -> str:
        """The path of what was opened here, from the root, free of links."""
        return beneath.name_of(self.root, descriptor)

    def status(self, path: str) -> os.stat_result:
        """As lstat(2): the last name is not followed unless it ends in ``/`` or ``/.``."""
        found = self.open(path, os.O_PATH | os.O_NOFOLLOW)
        try:
            return os.fstat(found)
        finally:
            os.close(found)

    def target(self, path: str) -> str:
        """Where the link ``path`` leads in the end, also if there is nothing."""
        for _ in range(_MOST_LINKS):
            folder, name = os.path.split(path)
            parent = self.open(folder, _ROOT)
            try:
                here = self.where(parent)
                link = os.readlink(name, dir_fd=parent)
            except OSError:  # no link any more, or nothing
                return f"{here.rstrip('/')}/{name}"
            finally:
                os.close(parent)
            path = os.path.normpath(os.path.join("/", here, link)).replace("//", "/")
            if path == "/":
                return path
        return path


def open_container(view: dict[str, Any], *, writable: bool) -> Scope:
    """The root that ``view`` describes: of the process ``pid``, or of the ``rootfs`` with its ``mounts``.

    Without ``writable`` nothing that is done to a stopped container's root is kept.
    """
    if view.get("pid"):
        return _running(view)
    stage = Stage("mounting the container")
    private_mounts()
    mounts = view["mounts"]
    sources = [rootfs.open_source(mount, stage) for mount in mounts]
    tree = view["rootfs"] if writable else _thrown_away(view["rootfs"], view["scratch"])
    root = os.open(rootfs.mount_overlay(tree, stage), _ROOT)
    for mount, source in zip(mounts, sources, strict=True):
        rootfs.mount_into(root, mount, source)
    return Scope(root)


def _running(view: dict[str, Any]) -> Scope:
    process = f"/proc/{view['pid']}"
    try:
        root, users = os.open(f"{process}/root", _ROOT), os.open(f"{process}/ns/user", os.O_RDONLY)
        if process_start_time(view["pid"]) == view["start_time"]:
            own = os.path.samestat(os.fstat(users), os.stat("/proc/self/ns/user"))
            return Scope(root, -1 if own else users)
    except (FileNotFoundError, ProcessLookupError):
        pass
    raise Conflict("container", view["name"], "the container has ended meanwhile", remedy="try again")


def _thrown_away(tree: dict[str, Any], scratch: str) -> dict[str, Any]:
    """The same root to look at: what mounting makes in it goes to memory that ends with this process."""
    mount_memory(scratch)
    upper, work = f"{scratch}/upper", f"{scratch}/work"
    os.mkdir(upper, stat.S_IMODE(os.stat(tree["upper"]).st_mode))
    os.mkdir(work)
    return {**tree, "lower": [tree["upper"], *tree["lower"]], "upper": upper, "work": work, "volatile": True}


def is_read_only(path: str, mounts: Sequence[dict[str, Any]], *, root_read_only: bool) -> str:
    """Docker's words why nothing may be written at ``path`` of the container, or ""."""
    held = [mount for mount in mounts if path == mount["target"] or path.startswith(f"{mount['target']}/")]
    for mount in sorted(held, key=lambda mount: len(mount["target"]), reverse=True):
        return "mounted volume is marked read-only" if mount["read_only"] else ""
    return "container rootfs is marked read-only" if root_read_only else ""
