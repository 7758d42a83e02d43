"""Owns the question whether a container's supervisor lives: its record lock is asked, never a pid alone.

Sources: fcntl_locking(2) F_GETLK; pidfd_open(2). Refuses to take the lock: that is the supervisor's.
"""

from __future__ import annotations

import fcntl
import os
import struct

_FLOCK = struct.Struct("hhqqi4x")  # l_type, l_whence, l_start, l_len, l_pid on 64-bit Linux


def supervisor_pid(lock_path: str) -> int:
    """The pid of the supervisor that holds the lock; 0 if nobody does."""
    try:
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, wanted))
    finally:
        os.close(descriptor)
    return 0 if kind == fcntl.F_UNLCK else int(pid)


def open_supervisor(lock_path: str) -> int | None:
    """A pidfd of the supervisor, readable once it has ended; None if there is none now."""
    pid = supervisor_pid(lock_path)
    if not pid:
        return None
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    # Between the two the supervisor may have died and its number been given away.
    if supervisor_pid(lock_path) == pid:
        return descriptor
    os.close(descriptor)
    return None
