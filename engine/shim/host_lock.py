"""Owns taking a lock that processes of the whole host share; refuses to wait for it for ever."""

from __future__ import annotations

import fcntl
import os
from time import monotonic, sleep

_PATIENCE = 5.0


def take_lock(path: str, kind: int) -> int:
    """A descriptor that holds the flock of ``path``; -1 if others have it for too long."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    end = monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic() > end:
                os.close(descriptor)
                return -1
            sleep(0.002)
        else:
            return descriptor
