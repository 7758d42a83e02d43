"""Owns pseudo terminals: made inside a container's devpts, sized, made the controlling one."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from engine.shim import beneath, linux
from engine.shim.refusal import refuse

_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_PTMX = os.makedev(5, 2)
_DEVPTS_SUPER_MAGIC = 0x1CD1


def open_terminal(size: list[int] | None) -> tuple[int, int]:
    """A new terminal of the devpts at /dev/pts: master and slave; ``size`` (rows, columns).

    What a container has put in its place is refused: the supervisor trusts what it gets to be a terminal.
    """
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    master = beneath.resolve(root, "/dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    os.close(root)
    if os.fstat(master).st_rdev != _PTMX or linux.file_system(master) != _DEVPTS_SUPER_MAGIC:
        raise refuse("opening a terminal", "it is no terminal multiplexer", path="/dev/pts/ptmx")
    os.set_blocking(master, True)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    if size:
        resize(master, size)
    return master, slave


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
