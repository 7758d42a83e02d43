"""Owns a table whose cursor and marks follow row ids; refuses to know what its rows are.

Lines are drawn on demand (``render_line``), so a thousand rows cost what the visible ones cost; an
update repaints only the lines that changed. DataTable ties the cursor to row numbers and drops its
caches with any cell, therefore this one.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuidock.widgets.columns import Column, fit, fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events
    from textual.timer import Timer

QUIET_SECONDS = 2.0
"""Rows keep their order for this long after a key."""
SETTLE_SECONDS = 0.4
"""How long actions wait after the row under the cursor vanished by itself."""
_HEADER = 1
_FAINT = frozenset({"muted", "exited"})
_LEAD = 3
"""Cells before the first column: the cursor, the mark, a gap."""


class Row(NamedTuple):
    """One row: a text per column, a style name per column ("" is plain), and what a filter looks at."""

    id: str
    cells: tuple[str, ...]
    styles: tuple[str, ...]
    search: str = ""


class RowTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows under a header; see the module."""

    COMPONENT_CLASSES = {
        "table--header",
        "table--cursor",
        "table--cursor-blurred",
        "table--mark",
        "table--muted",
        "table--title",
        "table--running",
        "table--paused",
        "table--created",
        "table--restarting",
        "table--exited",
        "table--failed",
    }

    class CursorMoved(Message):
        """The cursor is on another row; ``row_id`` is None in an empty table."""

        def __init__(self, table: RowTable, row_id: str | None) -> None:
            super().__init__()
            self.table = table
            self.row_id = row_id

        @property
        def control(self) -> RowTable:
            return self.table

    class Opened(Message):
        """A row was double-clicked."""

        def __init__(self, table: RowTable, row_id: str) -> None:
            super().__init__()
            self.table = table
            self.row_id = row_id

    def __init__(self, columns: Sequence[Column], *, empty: str = "", id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.empty_text = empty
        self.rows: list[Row] = []
        self.marks: set[str] = set()
        self.cursor_id: str | None = None
        self.filter_text = ""
        self._wanted: list[Row] = []
        self._last_key = -QUIET_SECONDS
        self._lost_row_at = -SETTLE_SECONDS
        self._resort: Timer | None = None
        self._style_cache: dict[str, Style] = {}
        self._widths: tuple[int, ...] = ()

    # -- what others ask ----------------------------------------------------------------------
    @property
    def cursor_index(self) -> int:
        """The position of the cursor's row, -1 in an empty table."""
        return next((index for index, row in enumerate(self.rows) if row.id == self.cursor_id), -1)

    @property
    def settled(self) -> bool:
        """False just after the row under the cursor vanished: a key then may mean the old row."""
        return time.monotonic() - self._lost_row_at >= SETTLE_SECONDS

    @property
    def hidden_marks(self) -> set[str]:
        """Marked rows that the filter hides."""
        return self.marks - {row.id for row in self.rows}

    @property
    def marked_ids(self) -> tuple[str, ...]:
        """The marked rows in their order, those that the filter hides last."""
        shown = [row.id for row in self.rows if row.id in self.marks]
        return (*shown, *sorted(self.hidden_marks))

    def note_key(self) -> None:
        """A key was pressed: rows keep their order for a while."""
        self._last_key = time.monotonic()

    # -- content ------------------------------------------------------------------------------
    def show(self, rows: Sequence[Row]) -> None:
        """Replace the content by ``rows``, in the order wanted once the keyboard is quiet."""
        self._wanted = list(rows)
        self.marks &= {row.id for row in rows}
        self._arrange()

    def set_filter(self, text: str) -> None:
        """Show only rows that contain ``text``, whatever its case."""
        self.filter_text = text
        self._arrange()

    def _arrange(self) -> None:
        wanted = self.filter_text.casefold()
        matching = [row for row in self._wanted if wanted in (row.search or row.id).casefold()]
        since_key = time.monotonic() - self._last_key
        if since_key < QUIET_SECONDS and self.rows:
            matching = _in_old_order(matching, self.rows)
            if self._resort is None and self.is_attached:
                self._resort = self.set_timer(QUIET_SECONDS - since_key + 0.01, self._resort_now)
        self._put(matching)

    def _resort_now(self) -> None:
        self._resort = None
        self._arrange()

    def _put(self, rows: list[Row]) -> None:
        old, index = self.rows, self.cursor_index
        self.rows = rows
        widths = self._fit_columns()
        if widths != self._widths or not old or not rows:
            self._widths = widths
            self.refresh()
        else:
            self._refresh_changed(old)
        self.virtual_size = Size(self.size.width, len(rows) + _HEADER)
        if self.cursor_index < 0:
            # hidden by a filter it is not lost: that was the user's own doing
            if index >= 0 and all(row.id != self.cursor_id for row in self._wanted):
                self._lost_row_at = time.monotonic()
            self._set_cursor(min(max(index, 0), len(rows) - 1))
        elif self.cursor_index != index:
            self._reveal()

    def _refresh_changed(self, old: list[Row]) -> None:
        for index in range(max(len(old), len(self.rows))):
            before = old[index] if index < len(old) else None
            if before != (self.rows[index] if index < len(self.rows) else None):
                self._refresh_line(index)

    def _fit_columns(self) -> tuple[int, ...]:
        return fit(self.columns, [row.cells for row in self.rows], self.room(self.size.width))

    @staticmethod
    def room(width: int) -> int:
        """Cells for the columns in a table that is ``width`` wide."""
        return max(0, width - _LEAD - 1)

    # -- cursor and marks ---------------------------------------------------------------------
    def move(self, by: int) -> None:
        """Move the cursor down by ``by`` rows."""
        if self.rows:
            self._set_cursor(min(max(self.cursor_index + by, 0), len(self.rows) - 1))

    def move_page(self, direction: int) -> None:
        self.move(direction * max(1, self.size.height - _HEADER - 1))

    def move_to(self, row_id: str) -> bool:
        """Put the cursor on ``row_id``; False if no such row is shown."""
        for index, row in enumerate(self.rows):
            if row.id == row_id:
                self._set_cursor(index)
                return True
        return False

    def toggle_mark(self) -> None:
        """Mark or unmark the cursor's row and go to the next one."""
        if self.cursor_id is not None:
            self.marks ^= {self.cursor_id}
            self._refresh_line(self.cursor_index)
            self.move(1)

    def unmark(self, row_id: str) -> None:
        if row_id in self.marks:
            self.marks.discard(row_id)
            self.refresh()

    def clear_marks(self) -> None:
        self.marks.clear()
        self.refresh()

    def _set_cursor(self, index: int) -> None:
        before, self.cursor_id = self.cursor_id, self.rows[index].id if self.rows else None
        if before == self.cursor_id:
            return
        for position, row in enumerate(self.rows):
            if row.id == before:
                self._refresh_line(position)
        self._refresh_line(index)
        self._reveal()
        self.post_message(self.CursorMoved(self, self.cursor_id))

    def _reveal(self) -> None:
        index, visible = self.cursor_index, max(1, self.size.height - _HEADER)
        top = round(self.scroll_y)
        if index < top:
            self.scroll_to(y=index, animate=False, immediate=True)
        elif index >= top + visible:
            self.scroll_to(y=index - visible + 1, animate=False, immediate=True)

    # -- painting -----------------------------------------------------------------------------
    def _refresh_line(self, index: int) -> None:
        y = index - round(self.scroll_y) + _HEADER
        if _HEADER <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def on_resize(self) -> None:
        self._widths = self._fit_columns()
        self.virtual_size = Size(self.size.width, len(self.rows) + _HEADER)
        self.refresh()
        self.call_after_refresh(self._reveal)

    def notify_style_update(self) -> None:
        self._style_cache.clear()
        super().notify_style_update()

    def watch_has_focus(self, value: bool) -> None:
        super().watch_has_focus(value)
        self._refresh_line(self.cursor_index)

    def _style(self, name: str) -> Style:
        if name not in self._style_cache:
            self._style_cache[name] = (
                self.get_component_rich_style(f"table--{name}") if name else self.rich_style
            )
        return self._style_cache[name]

    def render_line(self, y: int) -> Strip:
        """The header at 0, then the rows from the scroll offset."""
        width = self.size.width
        if y < _HEADER:
            return self._header(width)
        index = y - _HEADER + round(self.scroll_y)
        if index < len(self.rows):
            return self._row(self.rows[index], width)
        if not self.rows and y == _HEADER + 1:
            text = f'nothing contains "{self.filter_text}"' if self._wanted else self.empty_text
            return Strip([Segment(f"   {text}", self._style("muted"))]).adjust_cell_length(
                width, self.rich_style
            )
        return Strip.blank(width, self.rich_style)

    def _header(self, width: int) -> Strip:
        style = self._style("header")
        text = " " * _LEAD + " ".join(
            fitted(column.title, size, right=column.right)
            for column, size in zip(self.columns, self._widths, strict=False)
            if size
        )
        return Strip([Segment(text, style)]).adjust_cell_length(width, style)

    def _row(self, row: Row, width: int) -> Strip:
        under_cursor, marked = row.id == self.cursor_id, row.id in self.marks
        base = self.rich_style
        if under_cursor:
            base = self._style("cursor" if self.has_focus else "cursor-blurred")
        lead = self._style("mark") if marked else self._style("title")
        segments = [
            Segment("▌" if under_cursor else " ", base + lead),
            Segment("◆ " if marked else "  ", base + lead),
        ]
        background = base.background_style
        for column, text, name, size in zip(self.columns, row.cells, row.styles, self._widths, strict=False):
            if not size:
                continue
            # greys are too faint for the cursor's ground
            plain = not name or (under_cursor and name in _FAINT)
            style = base if plain else self._style(name) + background
            segments.append(Segment(fitted(text, size, right=column.right) + " ", style))
        return Strip(segments).adjust_cell_length(width, base)

    # -- mouse --------------------------------------------------------------------------------
    def on_click(self, event: events.Click) -> None:
        """A click puts the cursor on the row, a double click opens it."""
        index = event.y - _HEADER + round(self.scroll_y)
        if event.y >= _HEADER and 0 <= index < len(self.rows):
            self._set_cursor(index)
            if event.chain > 1:
                self.post_message(self.Opened(self, self.rows[index].id))


def _in_old_order(rows: list[Row], old: list[Row]) -> list[Row]:
    """``rows`` in the order in which ``old`` had them, new ones last."""
    position = {row.id: index for index, row in enumerate(old)}
    return sorted(rows, key=lambda row: position.get(row.id, len(position)))
