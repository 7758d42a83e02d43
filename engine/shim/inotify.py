"""Owns the inotify system calls, see inotify(7); refuses to wait: the descriptor belongs in a loop."""

from __future__ import annotations

import ctypes
import os
import struct

IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_CLOSE_WRITE = 0x8
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000

_EVENT = struct.Struct("iIII")
_READ_SIZE = 16384
_libc = ctypes.CDLL(None, use_errno=True)


def inotify_init() -> int:
    """A new inotify descriptor, non-blocking and closed on exec."""
    descriptor: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "inotify_init1")
    return descriptor


def inotify_add_watch(descriptor: int, path: str, mask: int) -> int:
    """Watch the inode at ``path`` for the events in ``mask``; the watch follows it through renames."""
    watch: int = _libc.inotify_add_watch(descriptor, os.fsencode(path), ctypes.c_uint32(mask))
    if watch < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return watch


def inotify_read(descriptor: int) -> list[tuple[int, int, str]]:
    """The (watch, mask, name) of the events that are there; empty if none, ``watch`` -1 on overflow."""
    try:
        data = os.read(descriptor, _READ_SIZE)
    except BlockingIOError:
        return []
    events = []
    offset = 0
    while offset < len(data):
        watch, mask, _cookie, length = _EVENT.unpack_from(data, offset)
        start = offset + _EVENT.size
        name = data[start : start + length].rstrip(b"\0")
        events.append((watch, mask, os.fsdecode(name)))
        offset = start + length
    return events
