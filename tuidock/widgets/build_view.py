"""Owns watching one job: its steps with time and cache mark, its layers, the output of the chosen step.

It refuses to follow the engine itself: the screen folds facts into a ``JobProgress`` and says so here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.containers import Vertical

from tuidock import sanitize
from tuidock.layer_rows import LAYER_COLUMNS, layer_rows
from tuidock.progress import STEP_COLUMNS, JobProgress, Step
from tuidock.widgets.log_view import LogView
from tuidock.widgets.row_table import RowTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult

_TICK_SECONDS = 0.5


class BuildView(Vertical):
    """Steps above, output below; the output follows the running step until a step is chosen."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.progress: JobProgress | None = None
        self.steps = RowTable(STEP_COLUMNS, empty="no steps yet", id="steps")
        self.layer_table = RowTable(LAYER_COLUMNS, id="layers")
        self.output = LogView(empty="no output of this step", id="step-output")
        self._shown: int | None = None
        self._following = True

    def compose(self) -> ComposeResult:
        yield self.steps
        yield self.layer_table
        yield self.output

    def on_mount(self) -> None:
        self.set_interval(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        """A running step's time goes on, a rate sinks; nothing is painted otherwise."""
        progress = self.progress
        if progress is None:
            return
        if any(step.status == "running" for step in progress.steps.values()):
            self.steps.show(progress.rows())
        if progress.transfers.moving:
            self._show_layers(progress)

    def on_resize(self) -> None:
        """Bars are as long as there is room."""
        if self.progress is not None:
            self._show_layers(self.progress)

    def _show_layers(self, progress: JobProgress) -> None:
        """All of them in a job that is about layers; while they move in a build, which shows its steps."""
        transfers = progress.transfers
        self.layer_table.display = bool(transfers) and (transfers.moving or not progress.steps)
        self.layer_table.show(
            layer_rows(transfers.all, self.layer_table.room(self.size.width), time.monotonic())
        )

    def show(self, progress: JobProgress | None) -> None:
        """Show another job, or none."""
        self.progress = progress
        self._shown, self._following = None, True
        self.output.clear()
        self.advanced(())

    def advanced(self, grown: Iterable[tuple[int, str, bytes]]) -> None:
        """Facts were folded in; ``grown`` holds the output that came with them."""
        if self.progress is None:
            self.steps.show([])
            self.layer_table.display = False
            return
        self._show_layers(self.progress)
        self.steps.show(self.progress.rows())
        self.steps.display = bool(self.progress.steps)
        wanted = self._wanted()
        if wanted != self._shown:
            self._show_output(wanted)
            return
        for index, stream, content in grown:
            if index == self._shown:
                self.output.feed(content, stream)

    def _wanted(self) -> int:
        """The step whose output is to be seen: the failing one, the running one, else the chosen one."""
        progress = self.progress
        if progress is None or not progress.steps:
            return -1
        if self._following:
            failing = progress.failing
            chosen = failing.index if failing else progress.current
            if chosen is not None:
                self.steps.move_to(str(chosen))
                return chosen
        return int(self.steps.cursor_id or next(iter(progress.steps)))

    def _show_output(self, index: int) -> None:
        self._shown = index
        self.output.clear("no output of this step" if index >= 0 else "no messages yet")
        step = self._step(index)
        if step is None:
            return
        for stream, content in step.output:
            self.output.feed(content, stream)
        if step.status == "failed":
            where = f" (Dockerfile line {step.line})" if step.line else ""
            self.output.notice(f"── failed with exit code {step.exit_code}{where}")
        for line in sanitize.lines(step.reason) if step.reason else ():
            self.output.notice(line)

    def _step(self, index: int) -> Step | None:
        if self.progress is None:
            return None
        return self.progress.messages if index < 0 else self.progress.steps.get(index)

    def choose(self, by: int) -> None:
        """Move the choice of step by ``by``; the output then stays with that step."""
        if not self.steps.display:
            self.layer_table.move(by)
            return
        self._following = False
        self.steps.move(by)
        self._show_output(int(self.steps.cursor_id or -1))

    def jump_to_failure(self) -> bool:
        """Show the step that failed; False if none did."""
        failing = self.progress.failing if self.progress else None
        if failing is None:
            return False
        self._following = False
        self.steps.move_to(str(failing.index))
        self._show_output(failing.index)
        return True

    def on_row_table_cursor_moved(self, event: RowTable.CursorMoved) -> None:
        """A click on a step shows its output; moves of our own have done so already."""
        event.stop()
        if (
            event.table is self.steps
            and event.row_id is not None
            and int(event.row_id) != self._shown
            and self._shown is not None
        ):
            self._following = False
            self._show_output(int(event.row_id))
