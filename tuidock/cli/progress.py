"""Owns how the engine's progress facts look: plain lines, or a repainted block on a terminal.

Everything goes to standard error, as BuildKit's does. Refuses to know where the facts come from.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from engine import events, loop
from tuidock.cli import diagnostics
from tuidock.cli.layer_lines import plain_line
from tuidock.transfers import LAST, Transfers

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

    from engine.events import Progress, ProgressFact
    from tuidock.cli.progress_screen import Screen

_TICK = 0.1
_REMINDER = 10.0
"""Seconds between two plain lines of a layer that is still on its way."""
_SET_OUT = frozenset({"download", "upload"})


@contextlib.asynccontextmanager
async def reporting(kind: str = "auto") -> AsyncIterator[Progress]:
    """A progress callable for one verb; ``kind`` is plain, tty, quiet or auto (tty on a terminal)."""
    if kind == "quiet":
        yield events.ignore_progress
        return
    if kind == "plain" or (kind == "auto" and not os.isatty(diagnostics.STDERR)):
        yield Plain()
        return
    screen = _Ticking()
    try:
        yield screen
        screen.complete()
    finally:
        screen.finish()


class _Ticking:
    """The repainted block, which comes with the first fact: most verbs have none to tell."""

    def __init__(self) -> None:
        self._screen: Screen | None = None
        self._ticking: asyncio.Task[None] | None = None

    def __call__(self, fact: ProgressFact) -> None:
        if self._screen is None:
            from tuidock.cli.progress_screen import Screen

            self._screen = Screen()
        self._screen(fact)
        if self._ticking is None and loop.begun():
            import asyncio

            self._ticking = asyncio.ensure_future(_tick(self._screen.paint))

    def complete(self) -> None:
        """Everything has gone well."""
        if self._screen is not None:
            self._screen.complete()

    def finish(self) -> None:
        """Paint what is last."""
        if self._ticking is not None:
            self._ticking.cancel()
        if self._screen is not None:
            self._screen.finish()


async def _tick(paint: Callable[[], None]) -> None:
    import asyncio

    while True:
        await asyncio.sleep(_TICK)
        paint()


class Plain:
    """One line a fact: ``#2 [2/4] RUN make``, ``#2 0.143 output``, ``#2 DONE 0.2s``."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._numbers: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._partial: dict[tuple[int, str], bytes] = {}
        self._shown = 0
        self._layers = Transfers()
        self._told: dict[str, float] = {}

    def __call__(self, fact: ProgressFact) -> None:
        if isinstance(fact, events.BuildPlanned):
            self._plan(fact)
        elif isinstance(fact, events.StepStarted):
            self._start(fact.index)
        elif isinstance(fact, events.StepOutput):
            self._output(fact)
        elif isinstance(fact, events.StepFinished):
            self._finish(fact.index)
            self._line(fact.index, "CACHED" if fact.cached else f"DONE {fact.seconds:.1f}s")
        elif isinstance(fact, events.StepFailed):
            self._finish(fact.index)
            self._line(fact.index, f"ERROR: {fact.reason}")
        elif isinstance(fact, events.BuildFinished):
            _finished(fact)
        elif isinstance(fact, events.Message):
            diagnostics.line(fact.text)
        elif isinstance(fact, events.LayerProgress):
            self._layer(fact)

    def _layer(self, fact: events.LayerProgress) -> None:
        """A line when a layer sets out and arrives, and now and then between."""
        now, before = time.monotonic(), self._layers.phase(fact.layer)
        transfer = self._layers.tell(fact, now)
        told = now - self._told.get(fact.layer, now - _REMINDER) < _REMINDER
        if transfer.phase == before and (told or not transfer.moving):
            return
        if transfer.phase in _SET_OUT or transfer.phase in LAST:
            self._told[fact.layer] = now
            diagnostics.line(plain_line(transfer, now))

    def _plan(self, fact: events.BuildPlanned) -> None:
        for number, step in enumerate(fact.steps, 1):
            self._names[step.index] = step.name
            self._numbers[step.index] = number

    def _start(self, index: int) -> None:
        self._started[index] = time.monotonic()
        if self._shown:
            diagnostics.line("")
        self._shown += 1
        self._line(index, self._names.get(index, ""))

    def _output(self, fact: events.StepOutput) -> None:
        begun = (fact.index, fact.stream)  # each stream has lines of its own
        *lines, rest = (self._partial.get(begun, b"") + fact.content).split(b"\n")
        self._partial[begun] = rest
        elapsed = time.monotonic() - self._started.get(fact.index, time.monotonic())
        for line in lines:
            text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
            self._line(fact.index, f"{elapsed:.3f} {text}")

    def _finish(self, index: int) -> None:
        if index not in self._started:
            self._start(index)
        for begun, rest in tuple(self._partial.items()):
            if begun[0] == index and rest:
                self._output(events.StepOutput(index=index, stream=begun[1], content=b"\n"))

    def _line(self, index: int, text: str) -> None:
        diagnostics.line(f"#{self._numbers.get(index, index)} {text}".rstrip())


def _finished(fact: events.BuildFinished) -> None:
    diagnostics.line(f"\nwriting image {fact.image_id} in {fact.seconds:.1f}s")
    for tag in fact.tags:
        diagnostics.line(f"naming to {tag}")
