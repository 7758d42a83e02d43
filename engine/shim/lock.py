"""Owns the record lock that a supervisor holds while it lives; refuses to trust a pid without it.

Source: fcntl_locking(2). Imported by every list of containers: it needs little.
"""

from __future__ import annotations

import fcntl
import os
import struct

_FLOCK = struct.Struct("hhqqi4x")  # l_type, l_whence, l_start, l_len, l_pid on 64-bit Linux


def take_lock(path: str) -> int | None:
    """A descriptor that holds the record lock of ``path`` as long as this process lives; None if taken.

    Whoever cleans up removes the file while holding its lock: so the name is looked at again after locking.
    The folder is made if it is missing.
    """
    while True:
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        try:
            fd = _lock(path, os.O_CREAT)
        except FileNotFoundError:
            continue  # a cleaner removed the folder in between
        if fd is None:
            return None
        if is_at(fd, path):
            return fd
        os.close(fd)


def take_lock_of_dead(path: str) -> int | None:
    """As ``take_lock``, for who cleans up: None also if there is nothing to clean, and nothing is made."""
    try:
        fd = _lock(path, 0)
    except FileNotFoundError:
        return None
    if fd is not None and not is_at(fd, path):
        os.close(fd)
        return None
    return fd


def _lock(path: str, create: int) -> int | None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | create, 0o600)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(fd)
        return None
    return fd


def is_at(fd: int, path: str) -> bool:
    """Whether ``path`` names the file that is open as ``fd``."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def lock_holder(path: str) -> int:
    """The pid of the supervisor that holds the lock of ``path``; 0 if there is none."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    finally:
        os.close(fd)
    return 0 if kind == fcntl.F_UNLCK else int(pid)
