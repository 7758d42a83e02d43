"""Owns showing output that never ends in bounded memory; refuses to keep more than its two limits.

Lines are kept as raw bytes and made harmless when they are painted, so that a flood costs only its
splitting. It follows the end until the user scrolls up, and again once they return to it.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from typing import NamedTuple

from rich.ansi import AnsiDecoder
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuidock import sanitize
from tuidock.widgets.columns import wrapped

MAX_LINES = 5_000
MAX_BYTES = 4 * 1024 * 1024
_LONGEST_LINE = 8192
_PAINT_SECONDS = 0.05
_NARROWEST = 10


class OutputLine(NamedTuple):
    """One line as it was written, and the stream that it came from."""

    content: bytes
    stream: str


class LogView(ScrollView, can_focus=True, inherit_bindings=False):
    """The last lines of an output; see the module."""

    COMPONENT_CLASSES = {"log--stderr", "log--empty", "log--notice"}

    def __init__(self, *, empty: str = "no output yet", id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.empty_text = empty
        self.following = True
        self._lines: deque[OutputLine] = deque()
        self._kept_bytes = 0
        self._partial: dict[str, bytes] = {}
        self._held: list[str] = []
        self._paint_pending = False
        self._left = 0

    @property
    def text_lines(self) -> tuple[str, ...]:
        """What is kept, harmless and without colours."""
        return tuple(sanitize.label(sanitize.line(_decoded(line.content))) for line in self._all())

    def clear(self, empty: str | None = None) -> None:
        """Forget all lines; ``empty`` is what an empty view says."""
        self._lines.clear()
        self._partial.clear()
        self._held.clear()
        self._kept_bytes = 0
        self.following = True
        self._left = 0
        if empty is not None:
            self.empty_text = empty
        self.scroll_to(0, 0, animate=False, immediate=True)
        self._paint_soon()

    def feed(self, content: bytes, stream: str = "stdout") -> None:
        """Take bytes of one stream as they arrive; a line may come in pieces."""
        *complete, rest = (self._partial.pop(stream, b"") + content).split(b"\n")
        for line in complete[-MAX_LINES:]:
            self._append(OutputLine(line[:_LONGEST_LINE], stream))
        while len(rest) > _LONGEST_LINE:
            self._append(OutputLine(rest[:_LONGEST_LINE], stream))
            rest = rest[_LONGEST_LINE:]
        if rest:
            self._partial[stream] = rest
        self._paint_soon()

    def notice(self, text: str) -> None:
        """Add a line of our own (the end of an output, an error), wrapped as wide as the view is."""
        self._held.append(text)
        self._let_notices_in()
        self._paint_soon()

    def _let_notices_in(self) -> None:
        """Notices wait until the view has a width."""
        if self.size.width > 0:
            for text in self._held:
                for line in wrapped(text, max(_NARROWEST, self.size.width - 2)):
                    self._append(OutputLine(line.encode(), "notice"))
            self._held.clear()

    def _append(self, line: OutputLine) -> None:
        self._lines.append(line)
        self._kept_bytes += len(line.content)
        while len(self._lines) > MAX_LINES or (self._kept_bytes > MAX_BYTES and len(self._lines) > 1):
            self._kept_bytes -= len(self._lines.popleft().content)

    def _all(self) -> tuple[OutputLine, ...]:
        return (*self._lines, *(OutputLine(rest, stream) for stream, rest in self._partial.items()))

    # -- painting -----------------------------------------------------------------------------
    def _paint_soon(self) -> None:
        """One paint for all that arrives within a twentieth of a second."""
        if not self._paint_pending and self.is_attached:
            self._paint_pending = True
            self.set_timer(_PAINT_SECONDS, self._paint)

    def on_mount(self) -> None:
        self._paint_soon()

    def _paint(self) -> None:
        self._paint_pending = False
        count = len(self._lines) + len(self._partial)
        self.virtual_size = Size(self.size.width, count)
        if self.following:
            self.scroll_to(y=max(0, count - self.size.height), animate=False, immediate=True)
        self.refresh()

    def on_resize(self) -> None:
        self._let_notices_in()
        self._paint()

    def render_line(self, y: int) -> Strip:
        """The line at the scroll offset plus ``y``."""
        width, index = self.size.width, y + round(self.scroll_y)
        complete = len(self._lines)
        if index < complete:
            line = self._lines[index]
        elif index < complete + len(self._partial):
            line = self._all()[index]
        else:
            if y == 1 and not complete and not self._partial:
                segment = Segment(f" {self.empty_text}", self.get_component_rich_style("log--empty"))
                return Strip([segment]).adjust_cell_length(width, self.rich_style)
            return Strip.blank(width, self.rich_style)
        return self._line_strip(line, width)

    def _line_strip(self, line: OutputLine, width: int) -> Strip:
        base = self.rich_style
        if line.stream in {"stderr", "notice"}:
            base += self.get_component_rich_style(f"log--{line.stream}", partial=True)
        segments = [Segment(text, base + style) for text, style in coloured(_decoded(line.content))]
        left = self._left
        return Strip([Segment(" ", base), *segments]).crop_extend(left, left + width, base)

    # -- moving -------------------------------------------------------------------------------
    def move(self, by: int) -> None:
        """Scroll by ``by`` lines; at the end it follows again."""
        end = max(0, self.virtual_size.height - self.size.height)
        target = min(max(round(self.scroll_y) + by, 0), end)
        self.following = target >= end
        self.scroll_to(y=target, animate=False, immediate=True)
        self.refresh()

    def shift(self, by: int) -> None:
        """Scroll long lines by ``by`` cells."""
        self._left = min(max(self._left + by, 0), _LONGEST_LINE)
        self.refresh()

    def move_page(self, direction: int) -> None:
        self.move(direction * max(1, self.size.height - 1))

    def on_mouse_scroll_up(self) -> None:
        self.following = False

    def on_mouse_scroll_down(self) -> None:
        self.following = round(self.scroll_y) >= self.max_scroll_y - 1


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")


@lru_cache(maxsize=512)
def coloured(text: str) -> tuple[tuple[str, Style], ...]:
    """``text`` made harmless, as pieces with the style that its colour sequences ask for."""
    harmless = sanitize.line(text)
    if "\x1b" not in harmless:
        return ((harmless, Style.null()),)
    decoded = AnsiDecoder().decode_line(harmless)
    pieces = []
    for start, end, style in _spans(
        decoded.plain, [(span.start, span.end, span.style) for span in decoded.spans]
    ):
        pieces.append((decoded.plain[start:end], style))
    return tuple(pieces)


def _spans(plain: str, spans: list[tuple[int, int, str | Style]]) -> list[tuple[int, int, Style]]:
    """The decoder's spans (in order, not overlapping) with the gaps between them."""
    result: list[tuple[int, int, Style]] = []
    position = 0
    for start, end, style in spans:
        if start > position:
            result.append((position, start, Style.null()))
        result.append((start, end, style if isinstance(style, Style) else Style.null()))
        position = end
    if position < len(plain):
        result.append((position, len(plain), Style.null()))
    return result
