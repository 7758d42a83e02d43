"""Owns the claim on a container: an flock of its folder, held while somebody starts, folds or removes it.

The kernel gives it back when the process dies. Refuses to say anything about whether the container runs.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine import loop

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_STEP = 0.01


@contextmanager
def claimed(folder: str) -> Iterator[None]:
    """Hold the claim for the block; BlockingIOError if another process has it, FileNotFoundError if gone."""
    descriptor = os.open(folder, _FLAGS)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever removes the container renames the folder away while holding the claim.
        if not os.path.samestat(os.fstat(descriptor), os.stat(folder)):
            raise FileNotFoundError(folder)
        yield
    finally:
        os.close(descriptor)


async def until_claimable(folder: str, seconds: float) -> bool:
    """Wait until nobody has the claim; false after ``seconds``. It may be taken again at once."""
    end = time.monotonic() + seconds
    while True:
        try:
            with claimed(folder):
                return True
        except FileNotFoundError:
            return True
        except BlockingIOError:
            if time.monotonic() > end:
                return False
        await loop.begin()
        import asyncio

        await asyncio.sleep(_STEP)
