"""Owns the question whether a container's supervisor lives: its record lock is asked, never a pid alone.

Source: pidfd_open(2). Refuses to take the lock: that is the supervisor's.
"""

from __future__ import annotations

import os

from engine.shim.lock import lock_holder


def open_supervisor(lock_path: str) -> int | None:
    """A pidfd of the supervisor, readable once it has ended; None if there is none now."""
    pid = lock_holder(lock_path)
    if not pid:
        return None
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    # Between the two the supervisor may have died and its number been given away.
    if lock_holder(lock_path) == pid:
        return descriptor
    os.close(descriptor)
    return None
