"""Owns the measurement of the terminal interface: from exec to the tab bar and the footer on the screen."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.peers import Peer

_ON_SCREEN = (b"Containers", b"Images", b"Builds", b"quit")
"""The tab bar, and the last word of the footer."""

_ROWS, _COLUMNS = 40, 120
_PATIENCE = 30.0


def first_paint(peer: Peer) -> float:
    """Seconds until the whole first screen has been written to a terminal of 120 columns and 40 rows."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    environ = {**peer.environment(), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    actions = [(os.POSIX_SPAWN_DUP2, theirs, stream) for stream in range(3)]
    begin = time.perf_counter()
    pid = os.posix_spawn(peer.command[0], peer.command, environ, file_actions=actions, setsid=True)
    try:
        _wait_for_screen(ours, begin + _PATIENCE)
        taken = time.perf_counter() - begin
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(ours)
        os.close(theirs)
    return taken


def _wait_for_screen(terminal: int, deadline: float) -> None:
    screen = b""
    while not all(word in screen for word in _ON_SCREEN):
        left = deadline - time.perf_counter()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            raise RuntimeError(f"the first screen did not come: {screen[-500:]!r}")
        screen += os.read(terminal, 1 << 16)
