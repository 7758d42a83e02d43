"""Owns counting the bytes in trees, for ``system df`` and ``ps -s``; refuses to follow links.

What counts is the content of files, one with several names once, as moby's directory.Size has it, and as
``engine.layer.tree.remove`` tells what it has freed.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from engine.layer.tree import OPEN_FOLDER, raise_open_files


def measure(arguments: dict[str, Any], fds: list[int]) -> list[int]:  # noqa: ARG001 - a worker's signature
    """Worker: the bytes in each of ``trees``, in their order; one that is gone has none."""
    raise_open_files()
    return [size_of(tree) for tree in arguments["trees"]]


def size_of(tree: str) -> int:
    """The bytes of file content below the directory ``tree``, or of the file; 0 if it is not there."""
    try:
        top = os.open(tree, OPEN_FOLDER)
    except NotADirectoryError:
        return os.lstat(tree).st_size
    except FileNotFoundError:
        return 0
    total = 0
    seen: set[tuple[int, int]] = set()
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            total += _files_in(folder, seen, pending)
        finally:
            os.close(folder)
    return total


def _files_in(folder: int, seen: set[tuple[int, int]], pending: list[int]) -> int:
    """The bytes of the files right in ``folder``; its directories are opened and put on ``pending``."""
    total = 0
    for name in os.listdir(folder):
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                pending.append(os.open(name, OPEN_FOLDER, dir_fd=folder))
                continue
        except (FileNotFoundError, NotADirectoryError):
            continue  # removed meanwhile
        if not stat.S_ISREG(status.st_mode):
            continue
        if status.st_nlink > 1:
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        total += status.st_size
    return total
