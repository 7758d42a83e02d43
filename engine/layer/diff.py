"""Owns turning an overlay upper directory into its layer tar; refuses to look at the layers below it.

Deterministic: names in byte order, a directory before what is in it, overlay's marks as .wh. files.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from engine.layer.tar_writer import TreeTarWriter
from engine.layer.tree import OPEN_FOLDER, joined, raise_open_files, storage_errors
from engine.layer.whiteout import is_opaque, is_whiteout

if TYPE_CHECKING:
    from collections.abc import Iterator

_SWAPPED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


def write_layer_tar(tree: str, out: BinaryIO) -> None:
    """Write the layer in the directory ``tree`` to ``out``; raises StoreFailure."""
    _write(tree, out)


def measure_layer(tree: str) -> tuple[str, int, int]:
    """The layer's diff id, its bytes of file content and how many names it has."""
    digest = _Digest()
    writer = _write(tree, cast("BinaryIO", digest))
    return digest.text(), writer.size, writer.count


def layer_tar(arguments: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """Worker: write the layer in the directory ``tree`` to ``fds[0]``; returns ``{"size", "entries"}``."""
    raise_open_files()
    with open(fds[0], "wb", closefd=False) as out:
        writer = _write(arguments["tree"], out)
    return {"size": writer.size, "entries": writer.count}


def _write(tree: str, out: BinaryIO) -> TreeTarWriter:
    writer = TreeTarWriter(out)
    with storage_errors(tree):
        root = os.open(tree, OPEN_FOLDER)
        try:
            writer.add(root, b".", b".", os.fstat(root))
            writer.count = 0  # the root alone is no change
            for folder, name, path, status in walk(root):
                if name == b"":
                    writer.add_opaque(path)
                elif is_whiteout(status):
                    writer.add_whiteout(path.rpartition(b"/")[0], name)
                else:
                    writer.add(folder, name, path, status)
        finally:
            os.close(root)
        writer.finish()
    return writer


def walk(root: int) -> Iterator[tuple[int, bytes, bytes, os.stat_result]]:
    """Everything below the open directory: (folder, name, path, status), parents first.

    An opaque directory is followed by an item with an empty name. The stack is a list, because a
    container can make trees deeper than Python recurses.
    """
    stack = [(os.open(".", OPEN_FOLDER, dir_fd=root), b"", iter(_listed(root)))]
    try:
        if is_opaque(root):
            yield root, b"", b"", os.fstat(root)
        while stack:
            folder, parent, names = stack[-1]
            name = next(names, None)
            if name is None:
                os.close(stack.pop()[0])
                continue
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue  # a running container removed it meanwhile
            path = joined(parent, name)
            yield folder, name, path, status
            if stat.S_ISDIR(status.st_mode):
                try:
                    below = os.open(name, OPEN_FOLDER, dir_fd=folder)
                except OSError as error:
                    if error.errno not in _SWAPPED:
                        raise
                    continue  # as above
                stack.append((below, path, iter(_listed(below))))
                if is_opaque(below):
                    yield below, b"", path, status
    finally:
        for folder, _parent, _names in stack:
            os.close(folder)


def _listed(folder: int) -> list[bytes]:
    return sorted(map(os.fsencode, os.listdir(folder)))


class _Digest:
    """A writer that keeps the digest alone."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()

    def write(self, content: bytes | memoryview) -> int:
        self._hasher.update(content)
        return len(content)

    def text(self) -> str:
        return f"sha256:{self._hasher.hexdigest()}"
