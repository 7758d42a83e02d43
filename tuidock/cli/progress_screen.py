"""Owns the repainted form of progress: BuildKit's block of steps, Docker's bars of layers.

Refuses to paint more rows than the terminal has: what scrolled away could not be repainted. What containers
print is made harmless first.
"""

from __future__ import annotations

import os
import re
import time

import msgspec

from engine import events
from tuidock.cli import diagnostics
from tuidock.cli.layer_lines import fewer, layer_lines
from tuidock.transfers import Transfers

_SHORTEST_PAUSE = 0.05
_TAIL = 6
_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class _Step(msgspec.Struct):
    name: str
    started: float = 0
    seconds: float = 0
    state: str = ""
    """"" not yet, running, done, CACHED or ERROR."""
    tail: list[str] = []
    partial: dict[str, bytes] = {}


class Screen:
    """A progress callable that keeps a block of lines on the terminal up to date."""

    def __init__(self) -> None:
        self._steps: dict[int, _Step] = {}
        self._layers = Transfers()
        self._begun = time.monotonic()
        self._painted_at = 0.0
        self._painted_rows = 0
        self._closing: list[str] = []
        self._finished = False

    def __call__(self, fact: events.ProgressFact) -> None:
        if isinstance(fact, events.BuildPlanned):
            self._steps = {step.index: _Step(step.name) for step in fact.steps}
        elif isinstance(fact, events.LayerProgress):
            self._layers.tell(fact, time.monotonic())
        elif isinstance(fact, events.Message):
            self._erase()
            diagnostics.line(harmless(fact.text))
            self._painted_at = 0
        elif isinstance(fact, events.BuildFinished):
            self._closing = [
                f" => writing image {fact.image_id}",
                *(f" => naming to {tag}" for tag in fact.tags),
            ]
        elif isinstance(fact, (events.ImageStored, events.Warned)):
            return  # warnings are the verb's own
        else:
            self._step(fact)
        if time.monotonic() - self._painted_at >= _SHORTEST_PAUSE:
            self.paint()

    def paint(self) -> None:
        """Bring the block on the terminal up to date."""
        columns, rows = _terminal_size()
        steps = self._step_lines(columns)
        layers = layer_lines(self._layers.all, columns, time.monotonic())
        if not steps and not layers:
            return
        # what stays at last is not painted over, so it may be longer than the terminal
        room = len(layers) if self._finished and not steps else rows - 2
        block = [*steps[1:], *fewer(self._layers.all, layers, room)]
        shown = [line[: columns - 1] for line in (*steps[:1], *block[-room:])]
        text = "".join(f"\x1b[2K{line}\n" for line in shown)
        diagnostics.write((self._back() + text + "\x1b[J").encode(errors="replace"))
        self._painted_rows, self._painted_at = len(shown), time.monotonic()

    def complete(self) -> None:
        """The verb has succeeded: every layer that was begun is there."""
        self._layers.complete()

    def finish(self) -> None:
        """Paint the last state; it stays on the terminal."""
        self._finished = True
        self.paint()
        self._painted_rows = 0

    def _step(
        self, fact: events.StepStarted | events.StepOutput | events.StepFinished | events.StepFailed
    ) -> None:
        step = self._steps.setdefault(fact.index, _Step(f"step {fact.index}"))
        if isinstance(fact, events.StepStarted):
            step.started, step.state = time.monotonic(), "running"
        elif isinstance(fact, events.StepOutput):
            begun = step.partial.get(fact.stream, b"")  # each stream has lines of its own
            *lines, step.partial[fact.stream] = (begun + fact.content).split(b"\n")
            texts = (line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace") for line in lines)
            step.tail = [*step.tail, *map(harmless, texts)][-_TAIL:]
        elif isinstance(fact, events.StepFinished):
            step.seconds, step.state = fact.seconds, "CACHED" if fact.cached else "done"
        else:
            step.seconds, step.state = fact.seconds, "ERROR"

    def _step_lines(self, columns: int) -> list[str]:
        if not self._steps:
            return []
        done = sum(step.state in {"done", "CACHED"} for step in self._steps.values())
        ended = " FINISHED" if done == len(self._steps) else ""
        elapsed = time.monotonic() - self._begun
        lines = [f"[+] Building {elapsed:.1f}s ({done}/{len(self._steps)}){ended}"]
        for step in self._steps.values():
            if step.state:
                lines.append(_step_line(step, columns))
            if step.state == "running" and not self._finished:
                lines += [f" => => {text}" for text in step.tail]
        return lines + self._closing

    def _erase(self) -> None:
        diagnostics.write((self._back() + "\x1b[J").encode())
        self._painted_rows = 0

    def _back(self) -> str:
        return f"\x1b[{self._painted_rows}A\r" if self._painted_rows else ""


def harmless(text: str) -> str:
    """``text`` as one line without escape sequences and control characters; tabs become spaces."""
    return _CONTROLS.sub("", _SEQUENCES.sub("", text).expandtabs().replace("\n", " "))


def _step_line(step: _Step, columns: int) -> str:
    seconds = time.monotonic() - step.started if step.state == "running" else step.seconds
    mark = f"{step.state} " if step.state in {"CACHED", "ERROR"} else ""
    clock = f" {seconds:.1f}s"
    width = max(1, columns - 1 - len(clock))
    return f" => {mark}{harmless(step.name)}"[:width].ljust(width) + clock


def _terminal_size() -> tuple[int, int]:
    try:
        found = os.get_terminal_size(diagnostics.STDERR)
    except OSError:
        return 80, 24
    return max(20, found.columns), max(5, found.lines)
