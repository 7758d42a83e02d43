"""Owns what the first open after a start of the machine does to the store; refuses to do it twice.

A tree is complete before it gets its name, and outlives a killed process. But a power cut may keep the name
and lose the content of a tree that was not yet synced; its row was not written either, then. So trees
without a row must go before anybody takes one for a layer.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from engine.errors import StoreFailure

if TYPE_CHECKING:
    from engine.paths import Paths
    from engine.store.database import Database


def recover(paths: Paths, database: Database) -> None:
    """Move layers and blobs without a row away, once in the life of the running kernel."""
    boot = _read("/proc/sys/kernel/random/boot_id")
    if _read(paths.recovered) == boot:
        return
    from engine.store.garbage import move_unrecorded

    # On a full disk one must still be able to open the engine, to remove things; the next open tries again.
    with contextlib.suppress(StoreFailure, OSError):
        if not move_unrecorded(paths, database):
            return  # a maker is at work, so somebody has been here
        temporary = f"{paths.recovered}.{os.getpid()}"
        with open(temporary, "wb") as marker:
            marker.write(boot)
        os.rename(temporary, paths.recovered)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
