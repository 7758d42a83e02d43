"""Owns ADD's unpacking of local archives: seen by content, merged into the tree; refuses paths out of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from engine.errors import InvalidArchive
from engine.layer.compression import Decompressed
from engine.layer.place import Tree
from engine.layer.tar_reader import TarReader
from engine.layer.window import SIZE

if TYPE_CHECKING:
    from engine.build.source import SourceTree
    from engine.layer.tar_reader import Entry

_BLOCK = 512
_HARD_LINK, _SYMBOLIC_LINK = "1", "2"


def is_archive(path: str) -> bool:
    """Whether the file is a tar, plain or in a compression that Docker undoes, judged by its first entry."""
    try:
        with open(path, "rb") as file:
            # no more than that entry: of a file that is cut short further on, unpacking is to tell
            return next(iter(_reader(file, path, ahead=_BLOCK)), None) is not None
    except InvalidArchive:
        return False


def unpack(path: str, root: SourceTree, folder: str, owner: tuple[int, int] | None) -> None:
    """Unpack the archive ``path`` into ``folder`` of the tree; ``owner`` replaces the archive's owners.

    Links of the tree in the middle of a name are followed, inside the tree: /lib may be one.
    """
    with open(path, "rb") as file:
        reader = _reader(file, path)
        tree = Tree(root.root, path, whiteouts=False)
        places = _Places(root, folder)
        try:
            for entry in reader:
                entry.name = places.of(entry.name)
                if entry.type == _HARD_LINK:
                    entry.link = places.of(entry.link)
                tree.put(_owned(entry, owner), reader)
                if entry.type == _SYMBOLIC_LINK:
                    places.forget()
            tree.finish()
        finally:
            tree.close()


class _Places:
    """Where names of an archive are in the tree, their folders resolved."""

    def __init__(self, root: SourceTree, folder: str) -> None:
        self._root = root
        self._folder = folder
        self._known: dict[bytes, bytes] = {}

    def of(self, name: bytes) -> bytes:
        """The name from the tree's root; one with ``..`` stays as it is, to be refused."""
        parts = [part for part in name.split(b"/") if part not in {b"", b"."}]
        if b".." in parts:
            return name
        above = b"/".join(parts[:-1])
        if above not in self._known:
            resolved = self._root.resolve(f"{self._folder}/{os.fsdecode(above)}")
            self._known[above] = os.fsencode(resolved)
        return b"/".join((self._known[above], *parts[-1:])) or b"."

    def forget(self) -> None:
        """A new link may lead known names elsewhere."""
        self._known.clear()


def _owned(entry: Entry, owner: tuple[int, int] | None) -> Entry:
    if owner is not None:
        entry.uid, entry.gid = owner
    return entry


def _reader(file: Any, subject: str, *, ahead: int = SIZE) -> TarReader:
    return TarReader(Decompressed(file, subject), subject, ahead=ahead)
