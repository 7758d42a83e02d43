"""Owns writing one file or folder of a scope as a tar under a name of the caller's; refuses to follow links.

Every step below the first goes by one name and an open directory, so that a tree which others change while it
is read shows what was there, and nothing from elsewhere.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from engine.layer.tree import OPEN_FOLDER, joined

if TYPE_CHECKING:
    from engine.layer.tar_writer import TreeTarWriter
    from engine.runtime.container_view import Scope

_FOLDER = os.O_RDONLY | os.O_DIRECTORY


def write_resource(writer: TreeTarWriter, scope: Scope, path: str, name: bytes) -> None:
    """Write what is at ``path`` as ``name``: a folder with all in it, a link as a link."""
    status = scope.status(path)
    if not stat.S_ISDIR(status.st_mode):
        folder, last = os.path.split(path)
        parent = scope.open(folder, _FOLDER)
        try:
            writer.add(parent, os.fsencode(last), name, status)
        finally:
            os.close(parent)
        return
    top = scope.open(path, _FOLDER)
    try:
        writer.add(top, b".", name.rstrip(b"/"), os.fstat(top))
        _write_folder(writer, top, name.rstrip(b"/"))
    finally:
        os.close(top)


def _write_folder(writer: TreeTarWriter, top: int, name: bytes) -> None:
    """Everything below ``top``; the stack is a list, because trees are deeper than Python recurses."""
    stack = [(os.open(".", OPEN_FOLDER, dir_fd=top), name, iter(_names(top)))]
    try:
        while stack:
            folder, path, names = stack[-1]
            entry = next(names, None)
            if entry is None:
                os.close(stack.pop()[0])
                continue
            try:
                status = os.stat(entry, dir_fd=folder, follow_symlinks=False)
                below = joined(path, entry)
                if stat.S_ISDIR(status.st_mode):
                    inner = os.open(entry, OPEN_FOLDER, dir_fd=folder)
                    stack.append((inner, below, iter(_names(inner))))
                    status = os.fstat(inner)
                    writer.add(inner, b".", below, status)
                else:
                    writer.add(folder, entry, below, status)
            except (FileNotFoundError, NotADirectoryError):
                continue  # the container has removed it meanwhile
    finally:
        for folder, _path, _rest in stack:
            os.close(folder)


def _names(folder: int) -> list[bytes]:
    return sorted(map(os.fsencode, os.listdir(folder)))
