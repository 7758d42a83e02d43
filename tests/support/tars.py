"""Owns tar streams made by hand for tests, good and bad, and a listing of trees to compare by."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import Any


def member(name: str, content: bytes | None = None, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """One entry: a file with ``content``, else of the ``type`` given (by default a directory)."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    info.mode = 0o755 if content is None else 0o644
    info.size = len(content or b"")
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content or b""


def link(name: str, target: str, *, hard: bool = False) -> tuple[tarfile.TarInfo, bytes]:
    """A symbolic (or hard) link."""
    return member(name, type=tarfile.LNKTYPE if hard else tarfile.SYMTYPE, linkname=target)


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """The archive of ``members``."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def listing(root: str, *, times: bool = True) -> dict[str, tuple[Any, ...]]:
    """What is below ``root``: kind, mode, owner, content or target, time in seconds; by path."""
    found: dict[str, tuple[Any, ...]] = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            extra: Any = None
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    extra = file.read()
            elif stat.S_ISLNK(status.st_mode):
                extra = os.readlink(path)
            elif not stat.S_ISDIR(status.st_mode):
                extra = status.st_rdev
            # Of folders and whiteouts the time depends on when the tree was made.
            timed = times and not stat.S_ISDIR(status.st_mode) and extra != 0
            time = int(status.st_mtime) if timed else None
            key = os.fsdecode(os.path.relpath(path, os.fsencode(root)))
            found[key] = (oct(status.st_mode), status.st_uid, status.st_gid, extra, time)
    return found
