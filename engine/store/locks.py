"""Owns the store's flock and the staging folders' flocks; refuses to wait for the garbage collector's turn.

Whoever makes layers or images holds the store lock shared, from the first look at what exists until the
record that refers to it is committed. The collector takes it exclusively, and only if it is free.
A staging folder is locked by its owner: one that can be locked by somebody else belongs to the dead.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.errors import StoreFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.paths import Paths

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def making(paths: Paths) -> Iterator[None]:
    """Keep the garbage collector away for the length of the block."""
    with _opened(paths.store_lock) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextmanager
def collecting(paths: Paths) -> Iterator[bool]:
    """Hold the store alone; yields False, at once, while anybody makes something."""
    with _opened(paths.store_lock) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def staging(paths: Paths) -> Iterator[str]:
    """A new folder below ``paths.staging``, owned (locked) for the length of the block.

    It is left where it is: what was not renamed out of it is for the owner to remove in a worker,
    and for the next sweep if the owner dies.
    """
    while True:
        folder = f"{paths.staging}/{os.urandom(8).hex()}"
        try:
            os.makedirs(paths.staging, mode=0o700, exist_ok=True)
            os.mkdir(folder, mode=0o700)
        except OSError as error:
            raise store_failure(folder, error) from error
        descriptor = lock_staging(folder)
        if descriptor is not None:
            break
    try:
        yield folder
    finally:
        os.close(descriptor)


def lock_staging(folder: str) -> int | None:
    """A descriptor that holds the lock of ``folder``; None if another has it or it is gone."""
    try:
        descriptor = os.open(folder, _FOLDER_FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A sweeper may have removed it between the two calls: then the lock is of a dead inode.
        held, named = os.fstat(descriptor), os.stat(folder)
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        return None
    if (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino):
        return descriptor
    os.close(descriptor)
    return None


def store_failure(path: str, error: OSError) -> StoreFailure:
    """``error`` as the failure that names ``path`` and says what to do."""
    return StoreFailure(
        path,
        error.strerror or str(error),
        remedy="check free space and permissions of the folder (df, df -i, ls -ld)",
    )


@contextmanager
def _opened(path: str) -> Iterator[int]:
    try:
        os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise store_failure(path, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
