"""Owns who a name is: users and groups of the container's own passwd(5) and group(5), never the host's.

The files are an image's, so that they may be anything: links are followed below the root only, what is no
plain file is none, a row that makes no sense is skipped, and of the rest little is held at a time.
Source: moby sys/user (GetExecUser) and daemon/oci_linux.go. Called inside the container's root.
"""

from __future__ import annotations

import os
import stat

from engine.shim import beneath
from engine.shim.refusal import refuse

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_ID = 2147483647
_NO_ID = 0xFFFFFFFF
"""To setresuid(2) and setresgid(2) this is "leave it as it is", that is root."""
_LIMIT = 16 << 20
_PASSWD, _GROUP = ("/etc/passwd", 7), ("/etc/group", 3)


def resolve_user(user: str, extra_groups: list[str]) -> tuple[int, int, list[int], str]:
    """uid, gid, supplementary groups and home directory of ``user`` ("name|uid[:group|gid]", "" is root).

    The rules are Docker's: an unknown number is taken as it is, an unknown name is refused, a group that is
    given replaces the user's supplementary ones.
    """
    name, _, group = user.partition(":")
    uid, gid, home, login = _user(name or "0")
    supplementary: list[int] = []
    if group:
        gid = _group_id(group, "unable to find group")
    elif login:
        supplementary = [int(row[2]) for row in _rows(*_GROUP) if login in ",".join(row[3:]).split(",")]
    supplementary += [_group_id(extra, "Unable to find group") for extra in extra_groups]
    if max(uid, gid) >= _NO_ID:
        raise refuse(f"user {user}", f"{uid}:{gid} are no ids that a process can have")
    return uid, gid, list(dict.fromkeys([gid, *supplementary])), home


def _user(name: str) -> tuple[int, int, str, str]:
    """uid, gid, home and login name; no login name for a number that no row has."""
    number = _number(name)
    for row in _rows(*_PASSWD):
        if row[0] == name or int(row[2]) == number:
            return int(row[2]), int(row[3]), row[5] or "/", row[0]
    if number is None:
        raise refuse(f"unable to find user {name}", "no matching entries in passwd file")
    return _checked(number), 0, "/", ""


def _group_id(group: str, stage: str) -> int:
    number = _number(group)
    for row in _rows(*_GROUP):
        if row[0] == group or int(row[2]) == number:
            return int(row[2])
    if number is None:
        raise refuse(f"{stage} {group}", "no matching entries in group file")
    return _checked(number)


def _number(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("-", "+") else text
    return int(text) if _is_number(digits) else None


def _is_number(text: str) -> bool:
    """Also short enough for what follows: Python refuses to read a number of thousands of digits."""
    return text.isascii() and text.isdigit() and len(text) < 20


def _checked(number: int) -> int:
    if not 0 <= number <= _MAX_ID:
        raise refuse(str(number), f"uids and gids must be in range 0-{_MAX_ID}")
    return number


def _rows(path: str, fields: int) -> Iterator[list[str]]:
    """The well-formed rows; none where the file is missing or no plain file."""
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = beneath.resolve(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return
    finally:
        os.close(root)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return
    with os.fdopen(fd, "rb") as file:
        left = _LIMIT
        while left > 0 and (line := file.readline(left)):
            left -= len(line)
            row = line.decode("utf-8", "surrogateescape").strip().split(":")
            # The numbers of a row are its third field and, for users, its fourth.
            numbers = row[2 : 4 if (path, fields) == _PASSWD else 3]
            if len(row) >= fields and row[0][:1] not in ("", "#") and all(map(_is_number, numbers)):
                yield row
