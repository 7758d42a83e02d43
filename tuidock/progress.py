"""Owns what a job's facts add up to: steps, times, output, layers; pure, refuses I/O.

One value a followed job; facts are folded in as they come, from the job's first one on.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.events import (
    BuildFinished,
    BuildPlanned,
    ImageStored,
    LayerProgress,
    Message,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
    Warned,
)
from tuidock.rows import seconds_text
from tuidock.sanitize import label
from tuidock.transfers import Transfers
from tuidock.widgets.columns import Column
from tuidock.widgets.row_table import Row

if TYPE_CHECKING:
    from engine.events import ProgressFact

STEP_COLUMNS = (Column("", 8), Column("TIME", 7, right=True), Column("STEP", 20, maximum=200))
_OUTPUT_LIMIT = 256 * 1024
_REPLAY_SECONDS = 1.0
_SIGNS = {
    "waiting": ("·", "muted"),
    "running": ("▶ runs", "running"),
    "cached": ("✓ cached", "created"),
    "done": ("✓ done", "running"),
    "failed": ("✗ failed", "failed"),
    "cancelled": ("■ ended", "paused"),
}


class Step:
    """One step of a build; ``output`` keeps the last part of what it wrote."""

    def __init__(self, index: int, name: str, line: int = 0) -> None:
        self.index = index
        self.name = name
        self.line = line
        self.status = "waiting"
        self.seconds = 0.0
        self.started = 0.0
        self.exit_code = 0
        self.reason = ""
        self.output: list[tuple[str, bytes]] = []
        self._size = 0

    def write(self, stream: str, content: bytes) -> None:
        """Keep ``content``, forgetting the oldest pieces past the limit."""
        self.output.append((stream, content))
        self._size += len(content)
        while self._size > _OUTPUT_LIMIT and len(self.output) > 1:
            self._size -= len(self.output.pop(0)[1])


class JobProgress:
    """The steps and messages of one job; a build's steps, else one step that carries the messages."""

    def __init__(self, job_id: str, age: float = 0.0) -> None:
        """``age`` is for how many seconds the job has been running before this."""
        self.job_id = job_id
        self._known = (time.monotonic(), age)
        self.steps: dict[int, Step] = {}
        self.messages = Step(-1, "messages")
        self.image_id = ""
        self.current: int | None = None
        self.followed_to_end = False
        self.transfers = Transfers()

    @property
    def failing(self) -> Step | None:
        """The step that failed, if any."""
        return next((step for step in self.steps.values() if step.status == "failed"), None)

    def fold(self, fact: ProgressFact) -> int | None:
        """Take one fact; the index of the step whose output grew (-1: the messages), or None."""
        match fact:
            case BuildPlanned(steps=steps):
                self.steps = {step.index: Step(step.index, step.name, step.line) for step in steps}
            case StepStarted(index=index):
                step = self._step(index)
                step.status, step.started, self.current = "running", self._started(), index
            case StepOutput(index=index, stream=stream, content=content):
                self._step(index).write(stream, content)
                return index
            case StepFinished(index=index, seconds=seconds, cached=cached):
                step = self._step(index)
                step.status, step.seconds = "cached" if cached else "done", seconds
            case StepFailed(index=index):
                return self._fail(fact)
            case BuildFinished(image_id=image_id) | ImageStored(image_id=image_id):
                self.image_id = image_id
                return self._say(f"image {image_id.removeprefix('sha256:')[:12]}")
            case Message(text=text) | Warned(text=text):
                return self._say(text)
            case LayerProgress():
                self.transfers.tell(fact, time.monotonic())
        return None

    def end(self) -> None:
        """The job is over: what still runs was cut off."""
        self.followed_to_end = True
        self.transfers.end()
        for step in self.steps.values():
            if step.status == "running":
                step.status, step.seconds = "cancelled", time.monotonic() - step.started

    def rows(self) -> list[Row]:
        """A row a step, with the time that a running one has taken so far."""
        rows = []
        for step in self.steps.values():
            text, style = _SIGNS[step.status]
            seconds = time.monotonic() - step.started if step.status == "running" else step.seconds
            took = "" if step.status in {"waiting", "cached"} else seconds_text(seconds)
            title = "title" if step.status != "waiting" else "muted"
            rows.append(
                Row(str(step.index), (text, took, label(step.name)), (style, "muted", title), step.name)
            )
        return rows

    def _started(self) -> float:
        """When a step began of which is heard now: of one that was read from the record, by those before."""
        now, (known, age) = time.monotonic(), self._known
        if now - known > _REPLAY_SECONDS or age < _REPLAY_SECONDS:
            return now
        return min(now, known - age + sum(step.seconds for step in self.steps.values()))

    def _step(self, index: int) -> Step:
        return self.steps.setdefault(index, Step(index, f"step {index}"))

    def _fail(self, fact: StepFailed) -> int:
        step = self._step(fact.index)
        step.status, step.seconds = "failed", fact.seconds
        step.exit_code, step.reason = fact.exit_code, fact.reason
        return fact.index

    def _say(self, text: str) -> int:
        self.messages.write("stdout", text.encode() + b"\n")
        return -1
