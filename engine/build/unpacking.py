"""Owns ADD's unpacking of local archives: seen by content, merged into the tree; refuses paths out of it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

from engine.errors import InvalidArchive
from engine.layer.compression import Decompressed
from engine.layer.place import Tree
from engine.layer.tar_reader import TarReader

if TYPE_CHECKING:
    from engine.layer.tar_reader import Entry

_CHUNK = 1 << 20


def is_archive(path: str) -> bool:
    """Whether the file is a tar, plain or in a compression that Docker undoes, judged by its first entry."""
    try:
        with open(path, "rb") as file:
            return next(iter(_reader(file, path)), None) is not None
    except InvalidArchive:
        return False


def unpack(path: str, target: str, owner: tuple[int, int] | None) -> None:
    """Unpack the archive ``path`` into the folder ``target``; ``owner`` replaces the archive's owners."""
    with open(path, "rb") as file:
        reader = _reader(file, path)
        tree = Tree(target, path, whiteouts=False)
        try:
            for entry in reader:
                tree.put(_owned(entry, owner), reader)
            tree.finish()
        finally:
            tree.close()


def _owned(entry: Entry, owner: tuple[int, int] | None) -> Entry:
    if owner is not None:
        entry.uid, entry.gid = owner
    return entry


def _reader(file: Any, subject: str) -> TarReader:
    plain = Decompressed(file, subject)
    return TarReader(io.BufferedReader(cast("io.RawIOBase", plain), _CHUNK), subject)
