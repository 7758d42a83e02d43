"""Owns which leased addresses are really in use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.network import bridge

if TYPE_CHECKING:
    from engine.store.network_records import Lease

_STALE_NANOSECONDS = 60 * 10**9


def is_stale(lease: Lease) -> bool:
    """The owner is gone, or never came to start: it has no interface long after the lease."""
    return time.time_ns() - lease.leased > _STALE_NANOSECONDS and not bridge.is_plugged(lease.owner)
