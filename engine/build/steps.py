"""Owns the worker side of COPY, ADD and WORKDIR: mount the tree, change it, make the change a layer.

Runs in a worker that has a mount namespace of its own. Refuses to decide: the operation is final.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from engine.build.operations import CopyOperation, WorkdirOperation
from engine.build.owner import resolve_owner
from engine.build.placing import Placer
from engine.build.source import SourceTree, context_tree
from engine.build.transfer import missing
from engine.build.unpacking import is_archive, unpack
from engine.errors import InvalidInput
from engine.layer.commit import commit
from engine.layer.tree import raise_open_files, storage_errors
from engine.shim.overlay import mount_overlay, unmount

if TYPE_CHECKING:
    from collections.abc import Iterator


def copy_step(arguments: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """Worker: carry out a CopyOperation and commit it; returns what ``engine.layer.commit.commit`` does.

    ``operation``; ``lower`` trees, ``upper`` and ``work`` of the new layer; ``source_trees`` (top first)
    of the stage or image that is copied from, with ``source_mount`` (two empty folders) to see them
    merged, else ``context`` and ``ignore``; ``layers`` and ``parent`` are the store's.
    """
    operation = msgspec.convert(arguments["operation"], CopyOperation)
    _begin()
    with storage_errors(arguments["upper"]):
        root = mount_overlay(arguments["lower"], arguments["upper"], arguments["work"])
        try:
            _copy(operation, arguments, root)
        finally:
            unmount(arguments["lower"], root)
    return _commit(arguments, fds)


def workdir_step(arguments: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """Worker: make the folder of a WorkdirOperation where it is missing; the rest as ``copy_step``."""
    operation = msgspec.convert(arguments["operation"], WorkdirOperation)
    _begin()
    with storage_errors(arguments["upper"]):
        root = mount_overlay(arguments["lower"], arguments["upper"], arguments["work"])
        try:
            Placer(root, (0, 0), None).make_folders(operation.path)
        finally:
            unmount(arguments["lower"], root)
    return _commit(arguments, fds)


def _begin() -> None:
    raise_open_files()
    os.umask(0)


def _commit(arguments: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    wanted = {name: arguments[name] for name in ("layers", "parent", "sync")}
    return commit({"tree": arguments["upper"], **wanted}, fds)


def _copy(operation: CopyOperation, arguments: dict[str, Any], root: str) -> None:
    tree = _source(operation, arguments)
    try:
        _copy_from(tree, operation, root)
    finally:
        if len(arguments.get("source_trees", ())) > 1:
            unmount(arguments["source_trees"], tree.root)


def _copy_from(tree: SourceTree, operation: CopyOperation, root: str) -> None:
    from_context = operation.source.kind == "context"
    given = resolve_owner(operation.chown, SourceTree(root)) if operation.chown else None
    owner = given or ((0, 0) if from_context else None)
    mode = int(operation.chmod, 8) if operation.chmod else None
    placer = Placer(root, owner, mode)
    for path in _selected(operation, tree):
        host_path = tree.host_path(tree.resolve(path))
        if operation.unpack and os.path.isfile(host_path) and is_archive(host_path):
            placer.make_folders(operation.destination)
            unpack(host_path, SourceTree(root), operation.destination, given)
        else:
            placer.copy(tree, path, operation.destination)
    for content in operation.contents:
        placer.write(content.text, operation.destination, content.name)


def _source(operation: CopyOperation, arguments: dict[str, Any]) -> SourceTree:
    if operation.source.kind == "context":
        return context_tree(arguments)
    trees = arguments["source_trees"]
    if not trees:
        raise InvalidInput("", "nothing can be copied from scratch: it has no files")
    if len(trees) == 1:
        return SourceTree(trees[0])
    mount, work = arguments["source_mount"]
    return SourceTree(mount_overlay(trees, mount, work))


def _selected(operation: CopyOperation, tree: SourceTree) -> Iterator[str]:
    for source in operation.sources:
        try:
            yield from tree.select(source)
        except FileNotFoundError:
            raise missing(operation, source) from None
