"""Owns what pulls left of layers that never came whole: how much that is, and moving it out of the store.

Refuses to touch what somebody fetches just now: that holds the lock beside it. A lock that was taken away
while somebody waited for it is seen by who gets it: see ``engine.registry.download``.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.store.locks import store_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.paths import Paths

KEPT_SECONDS = 24 * 3600
"""How long what came of a layer is kept for the next pull to go on with."""
_LOCK = ".lock"


def move_out(paths: Paths, trash: str, *, kept_seconds: float) -> None:
    """Move what nobody fetches and nobody went on with for so long into ``trash``; its lock goes with it."""
    newest = time.time() - kept_seconds
    for part in _parts(paths):
        with _unheld(part) as free:
            if free and _changed(part) <= newest:
                for path in (part, f"{part}{_LOCK}"):
                    _move(path, f"{trash}/{os.path.basename(path)}")


def sizes(paths: Paths) -> tuple[int, int]:
    """(bytes of all, bytes of what nobody fetches now)."""
    every = spare = 0
    for part in _parts(paths):
        size = _size(part)
        every += size
        with _unheld(part) as free:
            spare += size if free else 0
    return every, spare


def _parts(paths: Paths) -> list[str]:
    try:
        names = os.listdir(paths.downloads)
    except FileNotFoundError:
        return []
    return [f"{paths.downloads}/{name}" for name in sorted({name.removesuffix(_LOCK) for name in names})]


@contextmanager
def _unheld(part: str) -> Iterator[bool]:
    """Hold the lock of ``part`` for the length of the block; False if another has it. None is made."""
    try:
        descriptor = os.open(f"{part}{_LOCK}", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield not os.path.exists(f"{part}{_LOCK}")
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)


def _changed(part: str) -> float:
    """When the last of it came; 0 if nothing did."""
    try:
        return os.stat(part).st_mtime
    except FileNotFoundError:
        return 0


def _size(part: str) -> int:
    try:
        return os.stat(part).st_size
    except FileNotFoundError:
        return 0


def _move(path: str, target: str) -> None:
    try:
        os.rename(path, target)
    except FileNotFoundError:
        return
    except OSError as error:
        raise store_failure(path, error) from error
