"""Owns a little disk space kept back, so that what makes room still works on a full disk; refuses to judge.

SQLite needs some 100 KiB to write, and to open a database at all: without them not even ``rm`` would run.
"""

from __future__ import annotations

import os

SIZE = 512 << 10
_PLENTY = 32
"""The reserve is taken (again) where this many times its size are free."""


def keep(path: str) -> None:
    """Have the reserve at ``path``, unless it is there or there is too little space for it."""
    if os.path.exists(path):
        return
    status = os.statvfs(os.path.dirname(path))
    if status.f_bavail * status.f_frsize < _PLENTY * SIZE:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, SIZE)
    except OSError:
        os.unlink(path)  # filled up meanwhile: the next one tries again
    finally:
        os.close(descriptor)


def release(path: str) -> bool:
    """Give the reserve's space back if its file system is full; whether that was so."""
    status = os.statvfs(os.path.dirname(path))
    if status.f_bavail * status.f_frsize >= SIZE:
        return False
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
