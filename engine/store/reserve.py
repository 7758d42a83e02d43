"""Owns a little disk space kept back, so that what makes room still works on a full disk; refuses to judge.

SQLite needs some 100 KiB and two more files to write, and to open a database at all: without them not even
``rm`` would run. The reserve is one file of that size and some empty ones, for their inodes.
"""

from __future__ import annotations

import os
from contextlib import suppress

SIZE = 512 << 10
_PLENTY = 32
"""The reserve is taken (again) where this many times its size are free."""

_FILES = 8


def keep(path: str) -> None:
    """Have the reserve at ``path``, unless it is there or there is too little space for it."""
    if os.path.exists(path):
        return
    status = os.statvfs(os.path.dirname(path))
    if status.f_bavail * status.f_frsize < _PLENTY * SIZE:
        return
    try:
        for name in (*_empty(path), path):
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        _fill(path)
    except OSError:
        _remove(path)  # filled up meanwhile: the next one tries again


def release(path: str) -> bool:
    """Give the reserve's space back if its file system is full; whether that was so."""
    status = os.statvfs(os.path.dirname(path))
    no_files = status.f_files and status.f_favail < _FILES  # not all file systems count them
    if status.f_bavail * status.f_frsize >= SIZE and not no_files:
        return False
    return _remove(path)


def _empty(path: str) -> list[str]:
    return [f"{path}.{number}" for number in range(_FILES)]


def _fill(path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.posix_fallocate(descriptor, 0, SIZE)
    finally:
        os.close(descriptor)


def _remove(path: str) -> bool:
    """Whether there was anything of it."""
    found = False
    for name in (*_empty(path), path):
        with suppress(FileNotFoundError):
            os.unlink(name)
            found = True
    return found
