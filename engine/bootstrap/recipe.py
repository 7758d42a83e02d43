"""Owns what a bootstrap recipe answers with, and root file system tars of given entries; refuses recipes."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine.layer.tree import storage_errors
from engine.oci import platform

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """A root file system made here; ``cmd`` and ``env`` go into its image config."""

    tar: str
    name: str
    created_by: str
    cmd: tuple[str, ...]
    env: tuple[str, ...] = (PATH,)

    def to_result(self) -> dict[str, Any]:
        """The JSON value that a worker returns."""
        return {
            "tar": self.tar,
            "name": self.name,
            "created_by": self.created_by,
            "config": {"Cmd": list(self.cmd), "Env": list(self.env)},
            "architecture": platform.host().architecture,
        }


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a root file system, root's: a file, a link or (by default) a folder."""

    name: str
    mode: int = 0o755
    content: bytes | None = None
    hard_link: str = ""
    symlink: str = ""


def write_root(path: str, entries: Iterable[Entry]) -> None:
    """Write ``entries`` as a tar at ``path``, the same bytes for the same entries."""
    _add(path, "w", entries)


def append_root(path: str, entries: Iterable[Entry]) -> None:
    """Add ``entries`` to the plain tar at ``path``; later members win when it is unpacked."""
    _add(path, "a", entries)


def _add(path: str, mode: Literal["w", "a"], entries: Iterable[Entry]) -> None:
    with storage_errors(path), tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            archive.addfile(_member(entry), io.BytesIO(entry.content or b""))


def _member(entry: Entry) -> tarfile.TarInfo:
    member = tarfile.TarInfo(entry.name)
    member.mode = entry.mode
    member.uname = member.gname = "root"
    if entry.hard_link:
        member.type, member.linkname = tarfile.LNKTYPE, entry.hard_link
    elif entry.symlink:
        member.type, member.linkname = tarfile.SYMTYPE, entry.symlink
    elif entry.content is not None:
        member.size = len(entry.content)
    else:
        member.type = tarfile.DIRTYPE
    return member
