"""Owns joining what belongs to another container's live process: its namespaces, its shared memory.

A process is named by pid and start time, and held by its folder in the host's /proc (whoever asks may be in
a process namespace of its own already), so that no other one is ever joined. Refuses to make namespaces.
Sources: setns(2), proc_pid_ns(5), open_tree(2).
"""

from __future__ import annotations

import os

from engine.shim import linux, wire, worker
from engine.shim.refusal import Refusal

_FLAGS = {
    "mount": linux.CLONE_NEWNS,
    "uts": linux.CLONE_NEWUTS,
    "ipc": linux.CLONE_NEWIPC,
    "net": linux.CLONE_NEWNET,
    "cgroup": linux.CLONE_NEWCGROUP,
    "pid": linux.CLONE_NEWPID,
    "user": linux.CLONE_NEWUSER,
}
_FILES = {"mount": "mnt"}
_TRIES = 128


def flags_of(names: list[str], *, but: str = "") -> int:
    """CLONE_NEW* of the namespaces in ``names`` except ``but``."""
    flags = 0
    for name in names:
        if name != but:
            flags |= _FLAGS[name]
    return flags


def names_of(bundle: dict) -> list[str]:  # type: ignore[type-arg]  # JSON
    """The namespaces in which the container is not in the host's."""
    users = ["user"] if bundle.get("userns") else []
    return [*users, *bundle["namespaces"], *(join["namespace"] for join in bundle.get("joins") or ())]


def enter(bundle: dict, *, pid: bool) -> bool:  # type: ignore[type-arg]
    """Join the process namespace that the bundle names (for children), or all others; False if there is none.

    Refusal if the container whose they are has ended.
    """
    joins = [join for join in bundle.get("joins") or () if (join["namespace"] == "pid") == pid]
    for join in joins:
        name = join["namespace"]
        held = _open_namespace(join["pid"], join["start_time"], _FILES.get(name, name), join["container"])
        linux.setns(held, _FLAGS[name])
        os.close(held)
    return bool(joins)


def clone_tree(path: str, pid: int, start_time: int) -> int:
    """A detached clone of what is mounted at ``path`` in the process's view of files; no link is followed."""
    held = _open_namespace(pid, start_time, "mnt", "")
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        linux.setns(held, linux.CLONE_NEWNS)
        try:
            # Its root is now ours: an absolute path cannot leave it.
            found = _resolve(path)
            return linux.open_tree(found, "", linux.OPEN_TREE_CLONE | linux.AT_EMPTY_PATH)
        finally:
            linux.setns(own, linux.CLONE_NEWNS)
            os.fchdir(root)
            os.chroot(".")  # an engine that was itself started in a root of its own stays in it
    finally:
        for fd in (held, own, root):
            os.close(fd)


def _resolve(path: str) -> int:
    resolve = linux.RESOLVE_IN_ROOT | linux.RESOLVE_NO_SYMLINKS | linux.RESOLVE_NO_MAGICLINKS
    for _ in range(_TRIES):
        try:
            return linux.openat2(linux.AT_FDCWD, path, os.O_PATH, resolve)
        except BlockingIOError:
            continue
    return linux.openat2(linux.AT_FDCWD, path, os.O_PATH, resolve)


def _open_namespace(pid: int, start_time: int, name: str, container: str) -> int:
    try:
        folder = os.open(f"/proc/{pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _ended(container) from None
    try:
        if worker.process_start_time(pid) == start_time:
            return os.open(f"ns/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended
    finally:
        os.close(folder)
    raise _ended(container)


def _ended(container: str) -> Refusal:
    reason = (
        f"container {container} is not running" if container else "the container that shares is not running"
    )
    return Refusal(wire.failure("Conflict", kind="container", name=container, reason=reason))
