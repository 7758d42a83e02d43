"""Owns what execve(2) would load beside a program: its "#!" line or ELF loader; refuses to execute any.

A program of an image may name /proc/self/exe there, which is ours until it is executed (CVE-2019-5736). This
looks a moment before the kernel does: it stops images, not a process of the container that swaps the file.
"""

from __future__ import annotations

import errno
import os
import struct

_DEPTH = 5
"""As many scripts as the kernel lets follow one another, and the loader of the last."""
_LINE = 256
_HEADERS = {1: (struct.Struct("=28xI10xHH"), 4, 16), 2: (struct.Struct("=32xQ14xHH"), 8, 32)}
"""By ELF class: the header (e_phoff, e_phentsize, e_phnum), the places of p_offset and p_filesz."""
_WORDS = {1: struct.Struct("=I"), 2: struct.Struct("=Q")}
_PT_INTERP = 3
_UNREADABLE = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE}


def leads_to(path: str, forbidden: os.stat_result) -> bool:
    """Whether executing ``path`` would load the file ``forbidden``; what root cannot read is taken to do so.

    OSError where ``path`` itself is not there. Anybody else than root has no file of the host to write to.
    """
    status = os.stat(path)
    for _ in range(_DEPTH + 2):
        if os.path.samestat(status, forbidden):
            return True
        try:
            path = _named_by(path)
            if not path:
                return False
            status = os.stat(path)
        except OSError as error:
            # Of anything else the kernel says in its own words why it will not do.
            return error.errno in _UNREADABLE and os.geteuid() == 0
    return True  # too long a chain for the kernel, too


def _named_by(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        head = os.pread(fd, _LINE, 0)
        if head.startswith(b"#!"):
            line = head[2:].split(b"\n", 1)[0].split(b"\0", 1)[0].strip(b" \t")
            return os.fsdecode(line.replace(b"\t", b" ").split(b" ", 1)[0])
        return _loader(fd, head) if head.startswith(b"\x7fELF") else ""
    finally:
        os.close(fd)


def _loader(fd: int, head: bytes) -> str:
    """The PT_INTERP of elf(5); programs of the other byte order are none of this machine."""
    if len(head) < 64 or head[4] not in _HEADERS:
        return ""
    header, offset_at, size_at = _HEADERS[head[4]]
    word = _WORDS[head[4]]
    table, size, count = header.unpack_from(head)
    for number in range(count):
        row = os.pread(fd, size, table + number * size)
        if len(row) < size_at + word.size:
            return ""
        if int.from_bytes(row[:4], "little") == _PT_INTERP:
            (offset,), (length,) = word.unpack_from(row, offset_at), word.unpack_from(row, size_at)
            return os.fsdecode(os.pread(fd, min(length, 4096), offset).split(b"\0", 1)[0])
    return ""
