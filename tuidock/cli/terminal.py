"""Owns the user's terminal while it is lent to a container: raw mode, size, and giving it back.

Refuses to know sessions. A signal that ends the process, and that can be caught, restores the terminal first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

STDIN, STDOUT = 0, 1
_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6
_INPUT = (
    termios.IGNBRK
    | termios.BRKINT
    | termios.PARMRK
    | termios.ISTRIP
    | termios.INLCR
    | termios.IGNCR
    | termios.ICRNL
    | termios.IXON
)
_LOCAL = termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN
_DEADLY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def size() -> tuple[int, int] | None:
    """(rows, columns) of the terminal, None where there is none or it does not know."""
    for descriptor in (STDOUT, STDIN):
        try:
            columns, rows = os.get_terminal_size(descriptor)
        except OSError:
            continue
        if rows and columns:
            return rows, columns
    return None


@contextlib.contextmanager
def raw() -> Iterator[None]:
    """Put the terminal on standard input into raw mode; restore it however this block is left."""
    cooked = termios.tcgetattr(STDIN)
    mode = _raw_mode()

    def apply(attributes: list[int | list[bytes | int]]) -> None:
        with contextlib.suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(STDIN, termios.TCSADRAIN, attributes)

    def die(number: int, _frame: FrameType | None) -> None:
        apply(cooked)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def resume(_number: int, _frame: FrameType | None) -> None:
        apply(mode)  # a shell that had stopped us has set its own mode meanwhile

    previous = {number: signal.signal(number, die) for number in _DEADLY}
    previous[signal.SIGCONT] = signal.signal(signal.SIGCONT, resume)
    try:
        apply(mode)
        yield
    finally:
        apply(cooked)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _raw_mode() -> list[int | list[bytes | int]]:
    """As cfmakeraw(3), from the terminal's mode of now."""
    mode = termios.tcgetattr(STDIN)
    mode[_IFLAG] &= ~_INPUT
    mode[_OFLAG] &= ~termios.OPOST
    mode[_LFLAG] &= ~_LOCAL
    mode[_CFLAG] = mode[_CFLAG] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    mode[_CC][termios.VMIN], mode[_CC][termios.VTIME] = 1, 0
    return mode
