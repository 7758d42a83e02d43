"""Owns the real terminal: lending it to a child and getting it back; refuses to paint meanwhile.

Textual 8.2 goes on painting inside ``App.suspend()`` although its writer thread has ended, and its queue of
30 writes then blocks the event loop for good. Here the driver drops every write while the terminal is
lent, and the app's updates are batched, so events are consumed as ever and nothing is drawn.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
from typing import TYPE_CHECKING, Any, NamedTuple

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from textual.app import App

_COMPLAINT_LIMIT = 4096
_ORDINARY = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # no mouse reports
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l"  # no focus, paste or resize reports
    "\x1b[?1l\x1b>\x1b[<u"  # ordinary cursor keys, keypad and keyboard
    "\x1b(B\x1b[0m\x1b[?7h\x1b[?25h"  # ASCII, no colour, wrap, cursor
)
_TIDY = f"\x1b7\x1b[r\x1b8{_ORDINARY}"
"""After a child: the scroll region too, whose reset would move the cursor."""
_LEAVE = f"\x1b[r\x1b[?1049l{_ORDINARY}"
"""For good: back to the main screen, where the cursor was."""


class LendableDriver(LinuxDriver):
    """Textual's driver for Linux with a gate: while lent, writes go nowhere."""

    def __init__(self, app: App[Any], **options: Any) -> None:
        super().__init__(app, **options)
        self.lent = False

    def write(self, data: str) -> None:
        """Queue ``data`` for the terminal, unless somebody else has it."""
        if not self.lent:
            super().write(data)

    def suspend_application_mode(self) -> None:
        """Give the terminal back as it was found; from then on the gate is shut."""
        super().suspend_application_mode()
        self.lent = True

    def resume_application_mode(self) -> None:
        """Take the terminal again."""
        self.lent = False
        super().resume_application_mode()


class Lending(NamedTuple):
    """How a child that had the terminal ended."""

    exit_code: int
    complaint: str


async def lend(
    app: App[Any],
    arguments: Sequence[str],
    environ: dict[str, str],
    *,
    catch_stderr: bool,
    greeting: str = "",
) -> Lending:
    """Run ``arguments`` in the foreground with the real terminal; the app paints nothing until it ends.

    The child stays in our process group, which is the foreground one, so job control of the shell that
    started us stays right. ``catch_stderr`` collects what it complains of (for programs that write
    their session to stdout only), because our next paint would cover it. ``greeting`` is a line
    above what the child writes.
    """
    file_descriptor = sys.__stdin__.fileno() if sys.__stdin__ else 0
    with app.batch_update(), app.suspend():
        attributes = termios.tcgetattr(file_descriptor)
        if greeting:
            write_at_once(f"{greeting}\r\n")
        try:
            with _deaf_to_keyboard_signals():
                return await _run(arguments, environ, catch_stderr=catch_stderr)
        finally:
            _take_back(file_descriptor, attributes)


async def _run(arguments: Sequence[str], environ: dict[str, str], *, catch_stderr: bool) -> Lending:
    stderr = asyncio.subprocess.PIPE if catch_stderr else None
    process = await asyncio.create_subprocess_exec(*arguments, env=environ, stderr=stderr)
    try:
        complaint = b""
        if process.stderr is not None:
            while block := await process.stderr.read(_COMPLAINT_LIMIT):
                complaint = (complaint + block)[-_COMPLAINT_LIMIT:]
        return Lending(await process.wait(), complaint.decode(errors="replace"))
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


@contextlib.contextmanager
def _deaf_to_keyboard_signals() -> Iterator[None]:
    """Until the child has the terminal in raw mode, ctrl-c reaches us too: it is not meant for us.

    Python handlers, not SIG_IGN: a child would inherit the latter through exec.
    """
    kept = {number: signal.signal(number, _nothing) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Do nothing with a signal."""


def _take_back(file_descriptor: int, attributes: list[Any]) -> None:
    """Undo whatever the child left behind: its foreground group, its modes, its screen."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        with contextlib.suppress(OSError):
            os.tcsetpgrp(file_descriptor, os.getpgrp())
        with contextlib.suppress(termios.error):
            termios.tcsetattr(file_descriptor, termios.TCSANOW, attributes)
            # what was typed for the child and not read by it is no key of ours
            termios.tcflush(file_descriptor, termios.TCIFLUSH)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    write_at_once(_TIDY)


def write_at_once(text: str) -> None:
    """Write to the terminal without ever waiting for it: a stalled one loses the text."""
    try:
        # a description of its own, so that O_NONBLOCK does not reach our shell's
        file_descriptor = os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError):
            os.write(file_descriptor, text.encode())
    finally:
        os.close(file_descriptor)


def die_by_signals() -> None:
    """SIGHUP kills at once; SIGTERM puts the terminal right first; neither needs the event loop."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        attributes = termios.tcgetattr(0)
    except termios.error:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return

    def restore_and_die(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, attributes)
        write_at_once(_LEAVE)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, restore_and_die)
