"""Owns counting the bytes in trees, for ``system df`` and ``ps -s``; refuses to follow links.

What counts is the content of files, one with several names once, as moby's directory.Size has it, and as
``engine.layer.tree.remove`` tells what it has freed.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

from engine.layer.tree import OPEN_FOLDER, raise_open_files

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    # A descriptor for each level, not for each folder: a container may have made very many beside each other.
    stack = [(top, iter(os.listdir(top)))]
    try:
        while stack:
            folder, names = stack[-1]
            name = next(names, None)
            if name is None:
                os.close(stack.pop()[0])
                continue
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    stack.append(_opened(folder, name))
                else:
                    total += _new_content(status, seen)
            except (FileNotFoundError, NotADirectoryError):
                continue  # removed meanwhile
            except OSError as error:
                if error.errno != errno.EMFILE:
                    raise
                # So deep that nobody looks there: the rest of the list is worth more.
    finally:
        for folder, _names in stack:
            os.close(folder)
    return total


def _opened(parent: int, name: str) -> tuple[int, Iterator[str]]:
    folder = os.open(name, OPEN_FOLDER, dir_fd=parent)
    try:
        return folder, iter(os.listdir(folder))
    except OSError:
        os.close(folder)
        raise


def _new_content(status: os.stat_result, seen: set[tuple[int, int]]) -> int:
    """The bytes of a file's content, unless it was ``seen`` by another name."""
    if not stat.S_ISREG(status.st_mode):
        return 0
    if status.st_nlink > 1:
        if (status.st_dev, status.st_ino) in seen:
            return 0
        seen.add((status.st_dev, status.st_ino))
    return status.st_size
