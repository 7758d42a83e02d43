"""Owns the pipes that are a process's standard streams where it has no terminal; refuses to read them."""

from __future__ import annotations

import fcntl
import os
import stat

from engine.shim import linux

_SIZE = 1 << 18
"""Bytes that a process may be ahead of who reads it: it is woken the less, and both processors are used."""


def open_pipes(*, stdin: bool) -> tuple[list[int], int, dict[int, int]]:
    """The process's three ends; our end of its input (-1 without ``stdin``: /dev/null); ours of its output.

    The last maps each descriptor to its stream, 1 or 2. Our ends are non-blocking.
    """
    ours = -1
    if stdin:
        theirs, ours = os.pipe()
        os.set_blocking(ours, False)
    else:
        theirs = _open_null()
    streams, outputs = [theirs], dict[int, int]()
    for stream in (1, 2):
        read, write = os.pipe()
        os.set_blocking(read, False)
        _widen(read)
        outputs[read] = stream
        streams.append(write)
    return streams, ours, outputs


def _open_null() -> int:
    """The host's null device for a container: through a mount of its own, which is read-only.

    Or root in there could change mode and owner of the host's /dev/null by the descriptor that it has.
    """
    try:
        clone = linux.open_tree(linux.AT_FDCWD, os.devnull, linux.OPEN_TREE_CLONE)
    except PermissionError:  # whoever may not do that cannot change the device either
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    linux.mount_setattr(clone, attr_set=linux.MOUNT_ATTR_RDONLY, recursive=False)
    null = os.open(f"/proc/self/fd/{clone}", os.O_RDONLY | os.O_CLOEXEC)
    os.close(clone)
    return null


def _widen(pipe: int) -> None:
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _SIZE)
    except OSError:
        pass  # over the limit of pipe-max-size, or of what its user has already: see pipe(7)


def give_streams(bundle: dict, streams: list[int]) -> None:  # type: ignore[type-arg]  # JSON
    """Let a container in a user namespace open its pipes again (/dev/stdout).

    The null device among them is the host's own, and stays that.
    """
    if not bundle.get("userns"):
        return
    owner = root_of(bundle)
    for fd in streams:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, owner, owner)


def root_of(bundle: dict) -> int:  # type: ignore[type-arg]
    """The host's id of the root of the container's user namespace."""
    return next(int(outside - inside) for inside, outside, _ in bundle["userns"]["map"] if inside == 0)
