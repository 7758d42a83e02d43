"""Owns when the event loop begins: with the first thing that is waited for; refuses to be a loop.

Importing asyncio takes a third of a cold command's time. A verb that waits for nothing goes without it, and
one that starts a container has asked for that before: ``run`` runs a verb, ``begin`` is awaited where a loop
is needed.
"""

from __future__ import annotations

import gc
import signal
import sys
import types
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterator

_BEGIN = object()
_Result = TypeVar("_Result")


@types.coroutine
def begin() -> Generator[object, None, None]:
    """To be awaited before anything of asyncio's is used: from here on there is a running loop."""
    if not begun():
        yield _BEGIN


def begun() -> bool:
    """Whether a loop runs in this thread; where none does, nothing else waits for its turn."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001 - exported by its __all__


@contextmanager
def waiting() -> Iterator[None]:
    """Around a system call that waits while no loop runs: an interrupt is raised there at once."""
    interrupts = signal.getsignal(signal.SIGINT)
    if not isinstance(interrupts, _Interrupts):
        yield
        return
    interrupts.wait()
    try:
        yield
    finally:
        interrupts.waits = False


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run ``coroutine`` to its end as ``asyncio.run`` does, but without a loop until it awaits ``begin``.

    The first interrupt cancels what is being waited for, the second is raised where it comes.
    """
    interrupts = _Interrupts()
    signal.signal(signal.SIGINT, interrupts)
    try:
        wanted = coroutine.send(None)
    except StopIteration as end:
        if interrupts.noted:
            raise KeyboardInterrupt from None
        result: _Result = end.value
        return result
    if wanted is not _BEGIN:
        raise TypeError(f"{wanted!r} was awaited without a loop; engine.loop.begin comes first")
    asyncio = _asyncio()
    # No interrupt may get lost between this handler and asyncio's.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.freeze()
    gc.enable()
    try:
        ended: _Result = asyncio.run(_rest(coroutine, interrupted=interrupts.noted))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    return ended


class _Interrupts:
    """The handler of interrupts while no loop runs: what is being done is done, what waits is not."""

    def __init__(self) -> None:
        self.noted = False
        self.waits = False

    def __call__(self, _number: int, _frame: object) -> None:
        if self.noted or self.waits:
            raise KeyboardInterrupt
        self.noted = True

    def wait(self) -> None:
        self.waits = True
        if self.noted:
            raise KeyboardInterrupt


async def _rest(coroutine: Coroutine[Any, Any, _Result], *, interrupted: bool) -> _Result:
    if interrupted:
        signal.raise_signal(signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return await _Begun(coroutine)


class _Begun(Generic[_Result]):
    """A coroutine that has run without a loop, to be awaited for what is left of it."""

    def __init__(self, coroutine: Coroutine[Any, Any, _Result]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, _Result]:
        return self._coroutine.__await__()


def _asyncio() -> types.ModuleType:
    """asyncio, without TLS where nothing has imported ssl before: it takes ssl where it finds it."""
    if "ssl" in sys.modules:
        import asyncio
    else:
        sys.modules["ssl"] = None  # type: ignore[assignment] # how the import system is told that there is none
        import asyncio

        del sys.modules["ssl"]
    return asyncio
