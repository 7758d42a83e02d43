"""Owns a user's stay at a running process: output, input, window size, signals, detaching.

Refuses to start or stop anything: it is given a session, and leaves the process running when it is left. What
needs asyncio imports it itself: the process is being started before anybody needs it (``engine.loop``).
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from engine import loop
from engine.errors import EngineError
from tuidock.cli import diagnostics, terminal
from tuidock.cli.detach_keys import DEFAULT, DetachKeys, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROXIED = ("HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CONT", "TSTP", "WINCH")
_INTERRUPTS = frozenset({"INT", "TERM"})
_PATIENCE = 3
"""After so many interrupts that the container ignored the command line gives up, as Docker's does."""


class Session(Protocol):
    """The engine's hold on a running process."""

    async def read(self) -> tuple[str, bytes] | None: ...
    async def write(self, content: bytes) -> None: ...
    async def end_input(self) -> None: ...
    async def resize(self, rows: int, columns: int) -> None: ...
    async def wait(self) -> int: ...
    async def detach(self) -> None: ...
    def close(self) -> None: ...


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """How to attend a session; ``forward`` sends a signal to the process, None keeps signals here."""

    tty: bool
    stdin: bool
    streams: frozenset[str] = frozenset({"stdout", "stderr"})
    keys: str = DEFAULT
    forward: Callable[[str], Awaitable[None]] | None = None


class _Detached(Exception):
    """The user has typed the detach keys, or their terminal is gone."""


def check_terminal(*, tty: bool, stdin: bool) -> str:
    """Docker's complaint where a terminal is asked for and standard input is none; else empty."""
    if tty and stdin and not os.isatty(terminal.STDIN):
        return "the input device is not a TTY"
    return ""


async def attend(session: Session, how: Attachment) -> int | None:
    """Stay until the process ends; its exit code, or None if the user has detached."""
    if how.tty or how.stdin or how.forward is not None:
        await loop.begin()
    owns_terminal = how.tty and how.stdin and os.isatty(terminal.STDIN)
    with contextlib.ExitStack() as stack:
        if owns_terminal:
            stack.enter_context(terminal.raw())
        if how.forward is not None:
            stack.enter_context(_proxying(how.forward))
        if how.tty:  # after the proxy: a window's new size is the session's, not a signal for the process
            stack.enter_context(_resizing(session))
        try:
            await _pump(session, how)
        except _Detached:
            await session.detach()
            return None
        return await session.wait()


async def _pump(session: Session, how: Attachment) -> None:
    """Carry input and output until the output is over."""
    if not loop.begun():
        await _output(session, how.streams)
        return
    import asyncio

    output = asyncio.ensure_future(_output(session, how.streams))
    tasks = {output}
    if how.stdin:
        keys = DetachKeys(parse(how.keys) if how.tty else b"")
        tasks.add(asyncio.ensure_future(_input(session, keys, tty=how.tty)))
    waiting = tasks
    try:
        while not output.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _output(session: Session, streams: frozenset[str]) -> None:
    from tuidock.cli.descriptors import Writer

    writers = {"stdout": Writer(1), "stderr": Writer(diagnostics.STDERR)}
    while (chunk := await session.read()) is not None:
        stream, content = chunk
        if stream in streams:
            await writers[stream].write(content)


async def _input(session: Session, keys: DetachKeys, *, tty: bool) -> None:
    from tuidock.cli.descriptors import Reader

    reader = Reader(terminal.STDIN)
    while True:
        try:
            typed = await reader.read()
        except OSError:
            if tty:
                raise _Detached from None  # the terminal was hung up: the container goes on
            typed = b""
        if not typed:
            await session.end_input()
            return
        to_send = keys.feed(typed)
        if to_send:
            await session.write(to_send)
        if keys.found:
            raise _Detached


@contextlib.contextmanager
def _resizing(session: Session) -> Iterator[None]:
    """Tell the session every new size of the window."""
    import asyncio

    running = asyncio.get_running_loop()
    pending: set[asyncio.Task[None]] = set()

    def tell() -> None:
        now = terminal.size()
        if now is not None:
            task = running.create_task(session.resize(*now))
            pending.add(task)
            task.add_done_callback(pending.discard)

    running.add_signal_handler(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        running.remove_signal_handler(signal.SIGWINCH)


@contextlib.contextmanager
def _proxying(forward: Callable[[str], Awaitable[None]]) -> Iterator[None]:
    """Send the signals that this process gets on to the container."""
    import asyncio

    running = asyncio.get_running_loop()
    attending = asyncio.current_task()
    pending: set[asyncio.Task[None]] = set()
    interrupts = 0

    async def send(name: str) -> None:
        with contextlib.suppress(EngineError):  # it has just ended: the session will say so
            await forward(name)

    def proxy(name: str) -> None:
        nonlocal interrupts
        interrupts += name in _INTERRUPTS
        if interrupts >= _PATIENCE and attending is not None:
            diagnostics.problem(f"received {_PATIENCE} SIGTERM/SIGINTs, forcefully exiting")
            attending.cancel()
            return
        task = running.create_task(send(name))
        pending.add(task)
        task.add_done_callback(pending.discard)

    for name in _PROXIED:
        running.add_signal_handler(getattr(signal, f"SIG{name}"), proxy, name)
    try:
        yield
    finally:
        for name in _PROXIED:
            running.remove_signal_handler(getattr(signal, f"SIG{name}"))
