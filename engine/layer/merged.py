"""Owns the view of several trees as an overlay would show them, without mounting: export, lookups, changes.

Refuses overlay features that the engine never turns on (redirects, metadata-only copies).
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from engine.layer.diff import walk
from engine.layer.sink import written
from engine.layer.tar_writer import TreeTarWriter
from engine.layer.tree import OPEN_FOLDER, joined, raise_open_files, storage_errors
from engine.layer.whiteout import is_opaque, is_whiteout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Found = tuple[int, os.stat_result]


def export(arguments: dict[str, Any], fds: list[int]) -> None:
    """Worker: write the directories ``trees`` (top first), merged, as one plain tar to ``fds[0]``."""
    raise_open_files()
    trees = arguments["trees"]
    with written(fds[0]) as out, storage_errors(trees[0]), _opened(trees) as roots:
        writer = TreeTarWriter(out)
        writer.add(roots[0], b".", b".", os.fstat(roots[0]))
        _write_folder(writer, roots, b"")
        writer.finish()


def changes(arguments: dict[str, Any], fds: list[int]) -> list[list[str]]:  # noqa: ARG001 - a worker's signature
    """Worker: what the tree ``upper`` changes in ``lowers`` (top first), as Docker's diff shows it.

    Returns ``[kind, path]`` pairs in the order of paths: A added, C changed, D deleted; paths as
    ``engine.layer.extract.encode_names`` writes them, with a leading slash.
    """
    raise_open_files()
    upper = arguments["upper"]
    found: list[tuple[bytes, str]] = []
    with storage_errors(upper), _opened([upper]) as (root,), _opened(arguments["lowers"]) as lowers:
        for folder, name, path, status in walk(root):
            if not path:
                continue  # the root's own mark: an overlay does not look at it
            names = tuple(path.split(b"/"))
            if not name:  # an opaque directory
                found += [(path + b"/" + gone, "D") for gone in _hidden(lowers, folder, names)]
            elif is_whiteout(status):
                found.append((path, "D"))
            else:
                before = _status(lowers, names)
                kind = "A" if before is None else "C" if _differs(before, status) else ""
                found.append((path, kind))
    kinds = {path: kind for path, kind in found if kind}
    for path in list(kinds):  # what is in a directory is a change of it
        while (path := path.rpartition(b"/")[0]) and path not in kinds:
            kinds[path] = "C"
    return [[kind, "/" + path.decode("latin-1")] for path, kind in sorted(kinds.items())]


def _status(roots: Sequence[int], names: tuple[bytes, ...]) -> os.stat_result | None:
    """Of the path ``names`` in the merged trees; None if they have none."""
    with open_folder(roots, names[:-1]) as folders:
        for folder in folders:
            try:
                status = os.stat(names[-1], dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            return None if is_whiteout(status) else status
    return None


def _differs(before: os.stat_result, now: os.stat_result) -> bool:
    """Whether Docker calls it a change: an overlay copies up what was opened to be written, or a parent."""
    same = ("st_mode", "st_uid", "st_gid", "st_rdev")
    if stat.S_ISDIR(now.st_mode) and stat.S_ISDIR(before.st_mode):
        return any(getattr(before, field) != getattr(now, field) for field in same)
    return any(getattr(before, field) != getattr(now, field) for field in (*same, "st_size", "st_mtime_ns"))


def exists(roots: Sequence[int], names: tuple[bytes, ...]) -> bool:
    """Whether the merged trees have the path ``names``."""
    with open_folder(roots, names[:-1]) as folders:
        return names[-1] in merge(folders)


@contextmanager
def open_folder(roots: Sequence[int], names: tuple[bytes, ...]) -> Iterator[list[int]]:
    """The directories, top first, that the merged directory ``names`` consists of; none if it is not one."""
    with ExitStack() as opened:
        here = list(roots)
        for name in names:
            below: list[int] = []
            for folder in here:
                try:
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if not stat.S_ISDIR(status.st_mode):
                    break
                try:
                    descriptor = os.open(name, OPEN_FOLDER, dir_fd=folder)
                except (FileNotFoundError, NotADirectoryError):
                    continue  # a running container has removed it meanwhile
                opened.callback(os.close, descriptor)
                below.append(descriptor)
                if is_opaque(descriptor):
                    break
            here = below
        yield here


def merge(folders: Sequence[int]) -> dict[bytes, Found]:
    """The names in a merged directory (its parts top first), each with the part it is seen in."""
    found: dict[bytes, Found | None] = {}
    for folder in folders:
        for name in map(os.fsencode, os.listdir(folder)):
            if name not in found:
                try:
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                found[name] = None if is_whiteout(status) else (folder, status)
    return {name: found[name] for name in sorted(found) if found[name] is not None}  # type: ignore[misc]


def _write_folder(writer: TreeTarWriter, roots: Sequence[int], parent: bytes) -> None:
    pending = [parent]
    while pending:
        here = pending.pop()
        below = []
        with open_folder(roots, tuple(here.split(b"/")) if here else ()) as folders:
            for name, (folder, status) in merge(folders).items():
                path = joined(here, name)
                try:
                    writer.add(folder, name, path, status)
                except (FileNotFoundError, NotADirectoryError):
                    continue  # a running container has removed it meanwhile
                if stat.S_ISDIR(status.st_mode):
                    below.append(path)
        pending += reversed(below)


def _hidden(lowers: Sequence[int], folder: int, names: tuple[bytes, ...]) -> list[bytes]:
    present = set(map(os.fsencode, os.listdir(folder)))
    with open_folder(lowers, names) as folders:
        return [name for name in merge(folders) if name not in present]


@contextmanager
def _opened(trees: Sequence[str]) -> Iterator[list[int]]:
    with ExitStack() as opened:
        roots = []
        for tree in trees:
            roots.append(os.open(tree, OPEN_FOLDER))
            opened.callback(os.close, roots[-1])
        yield roots
