"""Owns giving a fresh volume what the image has at its target; runs in a worker, mounts nothing outside it.

Source: Docker's "populate a volume using a container": only an empty volume is filled, with owners, modes
and extended attributes; the volume's own root takes those of the image's directory.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from engine.errors import InvalidInput
from engine.layer.copy import copy_tree
from engine.layer.tree import remove_entry, storage_errors
from engine.shim import linux
from engine.shim.overlay import mount_read_only

if TYPE_CHECKING:
    from collections.abc import Sequence

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def copy_up(arguments: dict[str, Any], fds: list[int]) -> list[str]:  # noqa: ARG001 - a worker's signature
    """Worker: fill the empty volumes of one container from its image.

    ``lower`` are the image's trees, top first; ``volumes`` are [target in the image, volume's data folder];
    ``scratch`` is an empty folder to mount on. Returns the data folders that were filled.
    """
    root = _merged(arguments["lower"], arguments["scratch"])
    filled = []
    for target, data in arguments["volumes"]:
        try:
            source = linux.openat2(
                root, target.lstrip("/") or ".", _FOLDER, linux.RESOLVE_IN_ROOT | linux.RESOLVE_NO_MAGICLINKS
            )
        except FileNotFoundError:
            continue
        except NotADirectoryError as error:
            reason = f"cannot mount volume over existing file, file exists {target}"
            raise InvalidInput("", reason, remedy="mount a file with -v /its/path:TARGET") from error
        try:
            with storage_errors(data):
                if _fill(source, data):
                    filled.append(data)
        finally:
            os.close(source)
    return filled


def _merged(lower: Sequence[str], scratch: str) -> int:
    """The image's trees as one, seen by this process alone."""
    if len(lower) == 1:
        return os.open(lower[0], _FOLDER)
    return mount_read_only(lower, scratch)


def _fill(source: int, data: str) -> bool:
    """Copy the tree ``source`` to the folder ``data`` if that is empty; by rename, so all or nothing."""
    if os.listdir(data):
        return False
    parent, name = os.path.split(data)
    half_made = f".{name}-{os.urandom(6).hex()}"
    try:
        copy_tree(f"/proc/self/fd/{source}/.", f"{parent}/{half_made}")
        try:
            os.rename(f"{parent}/{half_made}", data)
        except OSError:
            return False  # another container filled it meanwhile
        return True
    finally:
        if os.path.lexists(f"{parent}/{half_made}"):
            folder = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            remove_entry(folder, half_made.encode())
            os.close(folder)
