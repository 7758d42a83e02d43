"""Owns a scrollable page of headings, label-value pairs and plain lines; refuses markup.

The pages themselves are pure functions in ``tuidock.pages``; this widget only wraps and paints them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tuidock.widgets.columns import fitted, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABEL_WIDTH = 13


class Fact(NamedTuple):
    """A pair; without a label a plain line, without a text a heading."""

    label: str
    text: str
    style: str = ""


class FactsView(ScrollView, can_focus=True, inherit_bindings=False):
    """A page of facts; see the module."""

    COMPONENT_CLASSES = {
        "facts--heading",
        "facts--label",
        "facts--value",
        "facts--good",
        "facts--bad",
        "facts--key",
    }

    def __init__(self, *, label_width: int = _LABEL_WIDTH, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self.label_width = label_width
        self._facts: tuple[Fact, ...] = ()
        self._lines: list[Fact] = []

    @property
    def text_lines(self) -> tuple[str, ...]:
        """The page as plain lines."""
        return tuple(f"{line.label} {line.text}".strip() for line in self._lines)

    def show(self, facts: Sequence[Fact], *, keep_place: bool = False) -> None:
        """Replace the page by ``facts``; from the top, unless ``keep_place``."""
        self._facts = tuple(facts)
        self._wrap()
        if not keep_place:
            self.scroll_to(0, 0, animate=False, immediate=True)

    def _wrap(self) -> None:
        width = max(8, self.size.width - self.label_width - 2)
        self._lines = [line for fact in self._facts for line in _wrapped(fact, width, self.size.width - 2)]
        self.virtual_size = Size(self.size.width, len(self._lines))
        self.refresh()

    def on_resize(self) -> None:
        self._wrap()

    def render_line(self, y: int) -> Strip:
        """The line at the scroll offset plus ``y``."""
        index, width = y + round(self.scroll_y), self.size.width
        base = self.rich_style
        if index >= len(self._lines):
            return Strip.blank(width, base)
        label, text, style = self._lines[index]
        if not text and label:
            segments = [
                Segment(f" {label}", base + self.get_component_rich_style("facts--heading", partial=True))
            ]
        elif style == "plain":
            segments = [Segment(f" {text}", base)]
        else:
            named = self.get_component_rich_style(f"facts--{style or 'value'}", partial=True)
            label_style = self.get_component_rich_style("facts--label", partial=True)
            segments = [
                Segment(f" {fitted(label, self.label_width)}", base + label_style),
                Segment(text, base + named),
            ]
        return Strip(segments).adjust_cell_length(width, base)

    def move(self, by: int) -> None:
        """Scroll by ``by`` lines."""
        self.scroll_to(y=min(max(self.scroll_y + by, 0), self.max_scroll_y), animate=False, immediate=True)

    def move_page(self, direction: int) -> None:
        self.move(direction * max(1, self.size.height - 1))


def _wrapped(fact: Fact, width: int, full_width: int) -> list[Fact]:
    """``fact`` as lines of at most ``width`` cells of text, the label on the first only."""
    pieces = wrapped(fact.text, max(8, full_width) if fact.style == "plain" else width)
    return [Fact(fact.label if index == 0 else "", piece, fact.style) for index, piece in enumerate(pieces)]
