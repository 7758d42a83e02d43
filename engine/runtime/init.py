"""Owns the init of ``--init``: the machine's, if it has a static one, else a program of the engine's own.

Refuses one that asks for a loader: the image may not have it. Source: tini(1).
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from engine.errors import RuntimeFailure

if TYPE_CHECKING:
    from engine.paths import Paths

_NAMES = ("docker-init", "tini-static", "catatonit", "tini")
_FOLDERS = (
    "/usr/libexec/podman",
    "/usr/libexec/docker",
    "/usr/lib/docker",
    "/usr/local/bin",
    "/usr/bin",
    "/sbin",
)
_OWN = "tuidock-init"
_INTERPRETER = 3
"""The type of the program header by which an ELF file asks for a loader, which an image may not have."""


def find_init(paths: Paths) -> str:
    """The path of the machine's init, or of our own, which is written if it is not there yet."""
    for name in _NAMES:
        for folder in _FOLDERS:
            path = f"{folder}/{name}"
            if os.access(path, os.X_OK) and _is_static(path):
                return path
    return own_init(paths)


def own_init(paths: Paths) -> str:
    """The path of our own init below the root."""
    from engine.runtime.init_program import program
    from engine.runtime.machine_code import ARCHITECTURES, executable

    path, architecture = f"{paths.root}/{_OWN}", os.uname().machine
    if architecture not in ARCHITECTURES:
        raise RuntimeFailure(
            "--init",
            reason="no static init for containers is installed on this machine",
            remedy="apt-get install catatonit (or tini), or run without --init",
        )
    content = executable(program(), architecture)
    try:
        with open(path, "rb") as file:
            if file.read() == content:
                return path
    except FileNotFoundError:
        pass
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        os.fchmod(file.fileno(), 0o755)
        file.write(content)
    os.rename(temporary, path)
    return path


def is_own(path: str | None) -> bool:
    """Whether ``path`` is our own init: it wants the command's path before the command's arguments."""
    return path is not None and os.path.basename(path) == _OWN


def _is_static(path: str) -> bool:
    with open(path, "rb") as file:
        beginning = file.read(4096)
    if not beginning.startswith(b"\x7fELF\x02\x01"):
        return False
    table, size, count = *struct.unpack_from("<Q", beginning, 32), *struct.unpack_from("<HH", beginning, 54)
    kinds = [struct.unpack_from("<I", beginning, table + size * index)[0] for index in range(count)]
    return _INTERPRETER not in kinds
