"""Owns finding names below a root that somebody else has filled; refuses to follow any link out of it.

Source: openat2(2). Links are followed as if the process were in that root already; those of procfs that lead
to another process's files or descriptors (CVE-2024-21626) are not followed at all.
"""

from __future__ import annotations

import errno
import os

from engine.shim import linux

_INSIDE = linux.RESOLVE_IN_ROOT | linux.RESOLVE_NO_MAGICLINKS
_TRIES = 128


def make(root: int, path: str, *, directory: bool) -> int:
    """An O_PATH descriptor of ``path`` inside ``root``; it is made, parents too, where it is missing."""
    path = os.path.normpath(path).lstrip("/") or "."
    try:
        return resolve(root, path)
    except FileNotFoundError:
        parent = make(root, os.path.dirname(path) or ".", directory=True)
    name = os.path.basename(path)
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(
                os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=parent)
            )
    except FileExistsError:
        if target := _link_target(root, parent, name):  # made inside the root, as Docker does
            os.close(make(root, target, directory=directory))
    finally:
        os.close(parent)
    return resolve(root, path)


def _link_target(root: int, parent: int, name: str) -> str:
    """Where the link ``name`` in ``parent`` leads, seen from ``root``; "" if somebody has made a file there.

    The kernel has refused loops before.
    """
    try:
        target = os.readlink(name, dir_fd=parent)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return ""
    if target.startswith("/"):
        return target
    return f"{name_of(root, parent)}/{target}"


def resolve(root: int, path: str, flags: int = os.O_PATH, *, links: bool = True) -> int:
    """openat2(2) of ``path`` inside ``root``; without ``links`` none is followed (ELOOP).

    The kernel gives up on ".." when anybody renames or mounts anything meanwhile: then it is asked again.
    """
    how = _INSIDE if links else _INSIDE | linux.RESOLVE_NO_SYMLINKS
    path = path.lstrip("/") or "."
    for _ in range(_TRIES):
        try:
            return linux.openat2(root, path, flags, how)
        except BlockingIOError:
            continue
    return linux.openat2(root, path, flags, how)


def name_of(root: int, found: int) -> str:
    """The path of the descriptor ``found`` as seen from ``root``, all links followed."""
    top, path = (os.readlink(f"/proc/self/fd/{fd}") for fd in (root, found))
    return path.removeprefix(top.rstrip("/")) or "/"
