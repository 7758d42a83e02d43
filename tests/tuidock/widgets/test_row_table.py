from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tuidock.widgets import row_table
from tuidock.widgets.columns import Column
from tuidock.widgets.row_table import Row, RowTable


class _App(App[None]):
    CSS = "RowTable > .table--muted { color: #123456; }"

    def __init__(self) -> None:
        super().__init__()
        self.table = RowTable((Column("NAME", 8), Column("STATE", 6)), empty="nothing here")
        self.moved: list[str | None] = []

    def compose(self) -> ComposeResult:
        yield self.table

    def on_row_table_cursor_moved(self, event: RowTable.CursorMoved) -> None:
        self.moved.append(event.row_id)


def _rows(*ids: str) -> list[Row]:
    return [Row(row_id, (f"name-{row_id}", "up"), ("", "running"), f"name-{row_id} up") for row_id in ids]


def _ids(table: RowTable) -> list[str]:
    return [row.id for row in table.rows]


@asynccontextmanager
async def _table(*ids: str) -> AsyncIterator[tuple[RowTable, Pilot[None]]]:
    app = _App()
    async with app.run_test(size=(40, 10)) as pilot:
        app.table.show(_rows(*ids))
        await pilot.pause()
        yield app.table, pilot


async def test_the_cursor_begins_on_the_first_row():
    async with _table("a", "b") as (table, _):
        assert table.cursor_id == "a"


async def test_the_cursor_follows_its_row_when_others_come_before_it():
    async with _table("a", "b") as (table, _):
        table.move(1)
        table.show(_rows("x", "y", "a", "b"))
        assert (table.cursor_id, table.cursor_index) == ("b", 3)


async def test_marks_follow_their_rows():
    async with _table("a", "b", "c") as (table, _):
        table.toggle_mark()
        table.show(_rows("c", "b", "a"))
        assert table.marks == {"a"}


async def test_a_mark_ends_with_its_row():
    async with _table("a", "b") as (table, _):
        table.toggle_mark()
        table.show(_rows("b"))
        assert table.marks == set()


async def test_marks_that_the_filter_hides_stay_and_are_known():
    async with _table("apple", "pear") as (table, _):
        table.toggle_mark()
        table.set_filter("pear")
        assert (_ids(table), table.marks, table.hidden_marks) == (["pear"], {"apple"}, {"apple"})


async def test_the_filter_asks_for_text_whatever_its_case():
    async with _table("Apple", "pear") as (table, _):
        table.set_filter("APP")
        assert _ids(table) == ["Apple"]


async def test_rows_keep_their_order_just_after_a_key():
    async with _table("a", "b", "c") as (table, _):
        table.note_key()
        table.show(_rows("new", "c", "b", "a"))
        assert _ids(table) == ["a", "b", "c", "new"]


async def test_rows_are_sorted_once_the_keyboard_is_quiet(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(row_table, "QUIET_SECONDS", 0.2)
    async with _table("a", "b", "c") as (table, pilot):
        table.note_key()
        table.show(_rows("c", "b", "a"))
        assert _ids(table) == ["a", "b", "c"]
        await pilot.pause(0.3)
        assert _ids(table) == ["c", "b", "a"]


async def test_a_vanished_row_under_the_cursor_unsettles_the_table():
    async with _table("a", "b", "c") as (table, pilot):
        table.move(1)
        table.show(_rows("a", "c"))
        assert (table.cursor_id, table.settled) == ("c", False)
        await pilot.pause(row_table.SETTLE_SECONDS + 0.05)
        assert table.settled


async def test_a_move_is_told_with_the_row_s_id():
    async with _table("a", "b") as (table, pilot):
        table.move(1)
        await pilot.pause()
        assert pilot.app.moved[-1] == "b"  # type: ignore[attr-defined]


async def test_the_cursor_stops_at_both_ends():
    async with _table("a", "b") as (table, _):
        table.move(5)
        assert table.cursor_id == "b"
        table.move(-5)
        assert table.cursor_id == "a"


async def test_the_cursor_s_row_is_always_in_view():
    async with _table(*map(str, range(100))) as (table, pilot):
        table.move(50)
        await pilot.pause()
        top = round(table.scroll_y)
        assert top <= 50 < top + table.size.height - 1


async def test_an_empty_table_says_so():
    async with _table() as (table, _):
        assert table.cursor_id is None
        assert "nothing here" in table.render_line(2).text


async def test_a_row_is_drawn_with_its_mark_and_cursor():
    async with _table("a", "b") as (table, _):
        table.toggle_mark()
        assert table.render_line(1).text.startswith(" ◆ name-a")
        assert table.render_line(2).text.startswith("▌  name-b")


async def test_only_visible_lines_are_drawn_of_a_thousand_rows():
    async with _table(*map(str, range(1000))) as (table, pilot):
        drawn = []
        draw = table._row
        table._row = lambda row, width: drawn.append(row.id) or draw(row, width)  # type: ignore[method-assign, func-returns-value]
        table.refresh()
        await pilot.pause()
        assert len(drawn) <= table.size.height


async def test_grey_text_is_not_grey_on_the_cursor_s_ground():
    async with _table("a", "b") as (table, pilot):
        table.focus()
        table.show([Row(name, (name, "old"), ("muted", "muted")) for name in ("a", "b")])
        await pilot.pause()
        under, other = table.render_line(1), table.render_line(2)
        grey = table.get_component_rich_style("table--muted").color
        assert grey in {segment.style.color for segment in other if segment.style}
        assert grey not in {segment.style.color for segment in list(under)[2:] if segment.style}
