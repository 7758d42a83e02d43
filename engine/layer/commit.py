"""Owns making unpacked or written trees into layers of the store, durably; refuses to write records.

The order is what survives a power cut: the tree complete, one sync of its file system, then the rename,
then the folder of the names. The caller records the layer last, and holds the store lock all the while.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

from engine.layer.copy import copy_tree
from engine.layer.diff import measure_layer
from engine.layer.extract import decode_names
from engine.layer.merged import open_folder
from engine.layer.tree import (
    OPEN_FOLDER,
    copy_attributes,
    open_below,
    raise_open_files,
    remove_entry,
    storage_errors,
)
from engine.oci.digest import chain_id
from engine.shim.linux import syncfs

if TYPE_CHECKING:
    from collections.abc import Sequence


def commit(arguments: dict[str, Any], fds: list[int]) -> dict[str, Any]:  # noqa: ARG001 - a worker's signature
    """Worker: make the directory ``tree`` the layer on top of the chain ``parent`` (None: the bottom).

    ``layers`` is the store's folder of layers. ``copy_to`` (a new path beside it) copies first and
    leaves ``tree`` alone, else ``tree`` itself is renamed away. ``stubs`` are paths below ``tree`` that
    the engine made to mount on: removed where still empty. ``skip_empty`` makes no layer of no change.
    ``sync`` False leaves it to the caller to call ``sync_layers`` before it records the layer.
    Returns ``{"chain_id", "diff_id", "size", "entries"}``; chain and diff id are None if it was skipped.
    """
    raise_open_files()
    os.umask(0o022)
    tree, layers, parent = arguments["tree"], arguments["layers"], arguments["parent"]
    with storage_errors(tree):
        if arguments.get("copy_to"):
            copy_tree(tree, arguments["copy_to"])
            tree = arguments["copy_to"]
        _remove_stubs(tree, arguments.get("stubs", ()))
        diff_id, size, entries = measure_layer(tree)
        if not entries and arguments.get("skip_empty"):
            return {"chain_id": None, "diff_id": None, "size": 0, "entries": 0}
        chain = chain_id(parent, diff_id)
        _place([(tree, chain)], layers, sync=arguments.get("sync", True))
    return {"chain_id": chain, "diff_id": diff_id, "size": size, "entries": entries}


def settle(arguments: dict[str, Any], fds: list[int]) -> None:  # noqa: ARG001 - a worker's signature
    """Worker: make extracted trees the layers of one image, all in one go.

    ``trees`` are ``{"tree", "chain_id", "implied"}``, bottom first, on top of the directories ``lowers``
    (top first); ``layers`` is the store's folder. A directory that a layer's tar only implied takes
    mode, owner, xattrs and times of the nearest one below, as if the layer had been unpacked over it.
    """
    raise_open_files()
    lowers = list(arguments["lowers"])
    for item in arguments["trees"]:
        with storage_errors(item["tree"]):
            _settle_implied(item["tree"], decode_names(item["implied"]), lowers)
        lowers.insert(0, item["tree"])
    with storage_errors(arguments["layers"]):
        _place([(item["tree"], item["chain_id"]) for item in arguments["trees"]], arguments["layers"])


def _settle_implied(tree: str, implied: Sequence[tuple[bytes, ...]], lowers: Sequence[str]) -> None:
    roots = [os.open(lower, OPEN_FOLDER) for lower in (*lowers, tree)]
    try:
        *below, top = roots
        for names in implied:
            with open_folder(below, names) as found:
                if found:
                    target = open_below(top, names)
                    copy_attributes(found[0], target)
                    os.close(target)
    finally:
        for root in roots:
            os.close(root)


def sync_layers(arguments: dict[str, Any], fds: list[int]) -> None:  # noqa: ARG001 - a worker's signature
    """Worker: make what was committed to the folder ``layers`` without ``sync`` survive a power cut."""
    folder = os.open(arguments["layers"], OPEN_FOLDER)
    try:
        syncfs(folder)
        os.fsync(folder)
    finally:
        os.close(folder)


def _place(trees: Sequence[tuple[str, str]], layers: str, *, sync: bool = True) -> None:
    """Sync, then rename each tree to its chain id; one that is there already wins."""
    os.makedirs(layers, mode=0o711, exist_ok=True)
    folder = os.open(layers, OPEN_FOLDER)
    try:
        if sync:
            syncfs(folder)
        for tree, chain in trees:
            try:
                os.rename(tree, chain.removeprefix("sha256:"), dst_dir_fd=folder)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
                _drop(tree)
        if sync:
            os.fsync(folder)
    finally:
        os.close(folder)


def _drop(tree: str) -> None:
    parent = os.open(os.path.dirname(tree), OPEN_FOLDER)
    try:
        remove_entry(parent, os.fsencode(os.path.basename(tree)))
    finally:
        os.close(parent)


def _remove_stubs(tree: str, stubs: Sequence[str]) -> None:
    root = os.open(tree, OPEN_FOLDER)
    try:
        for stub in sorted(stubs, reverse=True):  # what is deeper goes first
            *parts, name = [part for part in os.fsencode(stub).split(b"/") if part]
            try:
                folder = open_below(root, parts)
            except (FileNotFoundError, NotADirectoryError):
                continue
            try:
                _remove_stub(folder, name)
            finally:
                os.close(folder)
    finally:
        os.close(root)


def _remove_stub(folder: int, name: bytes) -> None:
    before = os.fstat(folder)
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if status.st_size == 0 and stat.S_ISREG(status.st_mode):
            os.unlink(name, dir_fd=folder)
        else:
            os.rmdir(name, dir_fd=folder)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENOTEMPTY, errno.ENOTDIR}:
            raise
        return
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
