"""Owns a container's user namespace: its making, its maps, and what only the host's root can hand into it.

The init of such a container has no rights on the host from its first instruction on. What it needs from
there (a root over idmapped layers, the sources of binds, device nodes) is made by a second child of the
supervisor, in a mount namespace that dies with it, and sent as detached mounts. On disk nothing is shifted.
Refuses to choose ids. Sources: user_namespaces(7), mount_setattr(2), the kernel's idmappings document.
"""

from __future__ import annotations

import errno
import os
import resource

from engine.shim import cgroup, json_text, linux, rootfs, sockets, wire
from engine.shim.pipes import give_streams, root_of
from engine.shim.refusal import Stage, refuse

_REMEDY = "Use Linux 5.19 or newer with ext4, xfs, btrfs or tmpfs below the root, or run without --userns."


def fork_init() -> int:
    """Fork as fork(2) does, the child in user and process namespaces of its own; 0 in the child."""
    try:
        return linux.fork_into(linux.CLONE_NEWUSER | linux.CLONE_NEWPID)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSPC, errno.EPERM, errno.EUSERS):
            raise
        reason = f"this kernel gives none: {error.strerror}"
        remedy = "See /proc/sys/user/max_user_namespaces, or run without --userns."
        raise refuse("making a user namespace", reason, errno_=error.errno or 0, remedy=remedy) from error


def admit(bundle: dict, pid: int, channel: sockets.Socket, streams: list[int], stage: Stage) -> None:  # type: ignore[type-arg]  # JSON
    """Do for the init ``pid`` what it has no right to, and send it what it waits for on ``channel``."""
    stage("mapping users")
    lines = "".join(f"{inside} {outside} {size}\n" for inside, outside, size in bundle["userns"]["map"])
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{pid}/{name}", "w", encoding="utf-8") as file:
            file.write(lines)
    stage("joining the cgroup")
    cgroup.join((bundle.get("cgroup") or {}).get("procs", ()), pid)
    _set_limits(bundle["process"], pid, stage)
    give_streams(bundle, streams)
    stage("preparing mounts")
    child = os.fork()
    if child == 0:
        _prepare(bundle, pid, channel)
    _, status = os.waitpid(child, 0)
    if os.waitstatus_to_exitcode(status) > 1:
        raise refuse("preparing mounts", "the process that does it was killed")


def _prepare(bundle: dict, pid: int, channel: sockets.Socket) -> None:  # type: ignore[type-arg]
    stage = Stage("preparing mounts")
    try:
        channel.send(wire.ADMITTED)
        namespace = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        for source in _sources(bundle, namespace, stage):
            sockets.send_fds(channel, [wire.ADMITTED], [source])
        stage("mounting the root", bundle["rootfs"]["upper"])
        sockets.send_fds(channel, [wire.ADMITTED], [_root(bundle, namespace, stage)])
    except (BrokenPipeError, ConnectionResetError):
        os._exit(1)  # it has failed, and said why
    except BaseException as error:
        channel.send(json_text.dumps(stage.explain(error)).encode())
        os._exit(1)
    os._exit(0)


def _sources(bundle: dict, namespace: int, stage: Stage) -> list[int]:  # type: ignore[type-arg]
    """What ``rootfs.enter`` takes instead of opening it: binds in their order, then devices."""
    sources = []
    for mount in rootfs.mounts_of(bundle):
        source = rootfs.open_source(mount, stage)
        if source < 0:
            continue
        if mount.get("idmapped"):
            _idmap(source, namespace, mount["source"])
        sources.append(source)
    for device in bundle["devices"]:
        stage("opening a device", device["path"])
        path = device.get("source") or device["path"]
        sources.append(linux.open_tree(linux.AT_FDCWD, path, linux.OPEN_TREE_CLONE))
    return sources


def _root(bundle: dict, namespace: int, stage: Stage) -> int:  # type: ignore[type-arg]
    """The overlay as a detached mount; in it the namespace's users own what root's own on disk."""
    tree = bundle["rootfs"]
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_SLAVE)
    own = os.path.dirname(tree["upper"])
    for folder in (own, *(lower for lower in tree["lower"] if not lower.startswith(f"{own}/"))):
        # Over itself: overlay takes only what is attached (before Linux 6.15), and the names stay.
        clone = linux.open_tree(linux.AT_FDCWD, folder, linux.OPEN_TREE_CLONE)
        _idmap(clone, namespace, folder)
        target = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        linux.move_mount(clone, target)
        os.close(target)
        os.close(clone)
    _write_as(root_of(bundle))
    try:
        path = rootfs.mount_overlay(tree, stage)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise refuse(
            "mounting the root", "overlay refuses idmapped layers", path=own, remedy=_REMEDY
        ) from error
    return linux.open_tree(linux.AT_FDCWD, path, linux.OPEN_TREE_CLONE)


def _write_as(root: int) -> None:
    """Overlay makes work files and whiteouts as whoever mounts it: that has to be an id that is mapped."""
    linux.prctl(linux.PR_SET_SECUREBITS, linux.SECBIT_NO_SETUID_FIXUP)
    linux.setfsgid(root)
    linux.setfsuid(root)


def _idmap(mount: int, namespace: int, path: str) -> None:
    try:
        linux.mount_setattr(mount, attr_set=linux.MOUNT_ATTR_IDMAP, user_namespace=namespace, recursive=False)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EPERM, errno.ENOSYS):
            raise
        reason = f"this kernel or file system has no idmapped mounts: {error.strerror}"
        raise refuse("mapping owners", reason, path=path, errno_=error.errno or 0, remedy=_REMEDY) from error


def _set_limits(process: dict, pid: int, stage: Stage) -> None:  # type: ignore[type-arg]
    """Within a user namespace no hard limit may be raised, nor a score of the OOM killer be lowered."""
    if process.get("oom_score_adj") is not None:
        stage("setting oom_score_adj")
        with open(f"/proc/{pid}/oom_score_adj", "w", encoding="utf-8") as file:
            file.write(str(process["oom_score_adj"]))
    for name, _, hard in process.get("rlimits") or ():
        number = getattr(resource, f"RLIMIT_{name.upper().removeprefix('RLIMIT_')}")
        stage(f"setting ulimit {name.lower().removeprefix('rlimit_')}")
        soft, own = resource.prlimit(pid, number)
        if own != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or hard > own):
            resource.prlimit(pid, number, (soft, hard))
