"""Owns whether a folder of the host may be bound so that mounts travel; refuses to mount it.

Source: moby daemon/oci_linux.go (ensureShared, ensureSharedOrSlave); proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.records import MountPoint

_FIELDS_BEFORE = 6


def check_propagation(points: Iterable[MountPoint]) -> None:
    """InvalidInput, in Docker's words, for a bind that is to be shared or slave where its source is not."""
    for point in points:
        kind = point.propagation.removeprefix("r")
        if point.type != "bind" or kind not in {"shared", "slave"}:
            continue
        mounted, tags = _mount_of(os.path.realpath(point.source))
        shared = any(tag.startswith("shared:") for tag in tags)
        slave = any(tag.startswith("master:") for tag in tags)
        if shared or (kind == "slave" and slave):
            continue
        what = "a shared mount" if kind == "shared" else "a shared or slave mount"
        raise InvalidInput(
            "",
            f"path {point.source} is mounted on {mounted} but it is not {what}",
            remedy=f"mount --make-shared {mounted}",
        )


def _mount_of(path: str) -> tuple[str, list[str]]:
    """The mount point that ``path`` is on, and its optional fields."""
    best: tuple[str, list[str]] = ("/", [])
    with open("/proc/self/mountinfo", encoding="latin-1") as table:
        for line in table:
            fields = line.split(" ")
            where = _unescaped(fields[4])
            inside = where in {"/", path} or path.startswith(f"{where}/")
            if inside and len(where) >= len(best[0]):
                best = where, fields[_FIELDS_BEFORE : fields.index("-")]
    return best


def _unescaped(field: str) -> str:
    """A path as the table writes it: space, tab, newline and backslash in octal, bytes as latin-1."""
    for code in ("040", "011", "012", "134"):
        field = field.replace(f"\\{code}", chr(int(code, 8)))
    return os.fsdecode(field.encode("latin-1"))
