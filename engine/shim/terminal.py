"""Owns pseudo terminals: made inside a container's devpts, sized, made the controlling one."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

_TIOCSPTLCK = 0x40045431
_TIOCGPTN = 0x80045430


def open_terminal(size: list[int] | None) -> tuple[int, int, str]:
    """A new terminal of the devpts at /dev/pts: master, slave, the slave's path; ``size`` (rows, columns)."""
    master = os.open("/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    (number,) = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, b"\0\0\0\0"))
    path = f"/dev/pts/{number}"
    slave = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    if size:
        resize(master, size)
    return master, slave, path


def resize(terminal: int, size: list[int]) -> None:
    """Set the (rows, columns) of ``terminal``; its foreground processes get SIGWINCH."""
    rows, columns = size
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows & 0xFFFF, columns & 0xFFFF, 0, 0))


def take_terminal(slave: int) -> None:
    """Make ``slave`` this session leader's controlling terminal and its standard streams."""
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for standard in (0, 1, 2):
        os.dup2(slave, standard)
    if slave > 2:
        os.close(slave)
