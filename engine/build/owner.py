"""Owns ``--chown``: user and group names of the image → numbers; refuses the machine's own users."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from engine.build.source import SourceTree

_GID_FIELD = 3
_LIMIT = 2**32 - 1
_MOST = 16 << 20
"""Bytes of passwd(5) that are read, as for a container: an image's may be a hole of any size."""


def resolve_owner(chown: str, tree: SourceTree) -> tuple[int, int]:
    """(uid, gid) of ``user[:group]``; without a group, the user's own, or the same number as the uid."""
    user, separator, group = chown.partition(":")
    uid, gid = _user(user, tree) if user else (0, 0)
    if separator and group:
        gid = _group(group, tree)
    return uid, gid


def _user(name: str, tree: SourceTree) -> tuple[int, int]:
    if name.isdecimal():
        number = _number(name)
        return number, number
    for fields in _rows(tree, "etc/passwd"):
        if fields[0] == name and len(fields) > _GID_FIELD:
            return _number(fields[2]), _number(fields[_GID_FIELD])
    raise InvalidInput("", f"--chown: the image has no user {name} (/etc/passwd)")


def _group(name: str, tree: SourceTree) -> int:
    if name.isdecimal():
        return _number(name)
    for fields in _rows(tree, "etc/group"):
        if fields[0] == name and len(fields) >= _GID_FIELD:
            return _number(fields[2])
    raise InvalidInput("", f"--chown: the image has no group {name} (/etc/group)")


def _rows(tree: SourceTree, path: str) -> list[list[str]]:
    """The rows of a plain file of the image; none of anything else: to open a device is to use it."""
    try:
        found = os.open(tree.host_path(tree.resolve(path)), os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return []
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            return []
        with open(f"/proc/self/fd/{found}", "rb") as file:
            text = file.read(_MOST).decode("utf-8", "surrogateescape")
    finally:
        os.close(found)
    return [line.split(":") for line in text.split("\n")]


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) >= _LIMIT:
        raise InvalidInput("", f"invalid user or group id {text!r}")
    return int(text)
