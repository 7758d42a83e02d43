from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tuidock.widgets.log_view import MAX_BYTES, MAX_LINES, LogView, coloured


class _App(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.view = LogView(empty="silence")

    def compose(self) -> ComposeResult:
        yield self.view


@asynccontextmanager
async def _view() -> AsyncIterator[tuple[LogView, Pilot[None]]]:
    app = _App()
    async with app.run_test(size=(40, 10)) as pilot:
        yield app.view, pilot


async def test_a_line_that_comes_in_pieces_is_one_line():
    async with _view() as (view, _):
        view.feed(b"hel")
        view.feed(b"lo\nwor")
        view.feed(b"ld\n")
        assert view.text_lines == ("hello", "world")


async def test_pieces_of_the_two_streams_are_not_mixed():
    async with _view() as (view, _):
        view.feed(b"out ")
        view.feed(b"error\n", "stderr")
        view.feed(b"put\n")
        assert view.text_lines == ("error", "out put")


async def test_a_prompt_without_an_end_of_line_is_shown():
    async with _view() as (view, _):
        view.feed(b"$ ")
        assert view.text_lines == ("$ ",)


async def test_lines_are_bounded_in_number():
    async with _view() as (view, _):
        view.feed(b"".join(b"%d\n" % number for number in range(3 * MAX_LINES)))
        assert len(view.text_lines) == MAX_LINES
        assert view.text_lines[-1] == str(3 * MAX_LINES - 1)


async def test_lines_are_bounded_in_bytes():
    async with _view() as (view, _):
        for _ in range(2000):
            view.feed(b"x" * 8000 + b"\n")
        assert sum(map(len, view.text_lines)) <= MAX_BYTES


async def test_an_endless_line_is_cut_and_bounded():
    async with _view() as (view, _):
        for _ in range(100):
            view.feed(b"x" * 65536)
        assert sum(map(len, view.text_lines)) <= MAX_BYTES + 8192


async def test_the_end_is_followed():
    async with _view() as (view, pilot):
        view.feed(b"".join(b"line %d\n" % number for number in range(100)))
        for _ in range(100):
            await pilot.pause(0.05)
            if view.render_line(view.size.height - 1).text.strip() == "line 99":
                break
        assert view.render_line(view.size.height - 1).text.strip() == "line 99"


async def test_scrolling_up_unsticks_and_returning_to_the_end_sticks_again():
    async with _view() as (view, pilot):
        view.feed(b"x\n" * 100)
        await pilot.pause(0.1)
        view.move(-5)
        view.feed(b"y\n" * 10)
        await pilot.pause(0.1)
        assert not view.following
        assert view.render_line(view.size.height - 1).text.strip() == "x"
        view.move(1000)
        assert view.following


async def test_an_empty_view_says_so():
    async with _view() as (view, _):
        assert "silence" in view.render_line(1).text


async def test_escapes_and_markup_are_harmless_when_drawn():
    async with _view() as (view, pilot):
        view.feed(b"[/red] \x1b[2J\x1b]0;x\x07ok\x07\n")
        await pilot.pause(0.1)
        assert view.render_line(0).text.strip() == "[/red] ok^G"


def test_colours_are_kept():
    pieces = coloured("a \x1b[31mred\x1b[0m b")
    assert [text for text, _ in pieces] == ["a ", "red", " b"]
    assert pieces[1][1].color is not None


async def test_a_long_notice_is_wrapped():
    async with _view() as (view, _):
        view.notice("process /bin/sh did not complete successfully: exit code: 7")
        assert view.text_lines == ("process /bin/sh did not complete", "successfully: exit code: 7")
