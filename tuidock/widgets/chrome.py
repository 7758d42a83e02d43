"""Owns the lines around the lists: tab bar, status line, footer; each is drawn from plain values.

They refuse to look anything up: the screen tells them what to show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.text import Text
from textual.message import Message
from textual.widget import Widget

from tuidock import keys

if TYPE_CHECKING:
    from textual import events

_NAMES = ((keys.CONTAINERS, "Containers"), (keys.IMAGES, "Images"), (keys.BUILDS, "Builds"))
_TIGHT = 60
_ROOMY = 90


class TabBar(Widget):
    """The tabs with their counts, and at the right where the engine keeps its data."""

    COMPONENT_CLASSES = {"tabs--brand", "tabs--active", "tabs--tab", "tabs--count", "tabs--place"}

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, tab: str) -> None:
            super().__init__()
            self.tab = tab

    def __init__(self, place: str) -> None:
        super().__init__()
        self.place = place
        self.active = keys.CONTAINERS
        self.counts: dict[str, str] = {}
        self._ends: list[tuple[int, str]] = []

    def show(self, *, active: str | None = None, **counts: str) -> None:
        """Change the active tab, or what stands beside a tab's name."""
        before = (self.active, dict(self.counts))
        self.active = active or self.active
        self.counts.update(counts)
        if before != (self.active, self.counts):
            self.refresh()

    def render(self) -> Text:
        """One line; at forty columns the names shrink to their first letters but the active one's."""
        width, text = self.size.width, Text(no_wrap=True, overflow="crop")
        if width >= _TIGHT:
            text.append(" tuidock ", self.get_component_rich_style("tabs--brand"))
        self._ends = []
        for number, (tab, name) in enumerate(_NAMES, 1):
            active = tab == self.active
            style = self.get_component_rich_style("tabs--active" if active else "tabs--tab")
            shown = name if width >= _TIGHT or active else name[:1]
            text.append(f" {number} {shown}", style)
            if count := self.counts.get(tab, ""):
                text.append(f" {count}", style + self.get_component_rich_style("tabs--count", partial=True))
            text.append(" ", style)
            self._ends.append((text.cell_len, tab))
        spare = width - text.cell_len - cell_len(self.place) - 1
        if spare > 1 and width >= _ROOMY:
            text.append(" " * spare + self.place, self.get_component_rich_style("tabs--place"))
        return text

    def on_click(self, event: events.Click) -> None:
        for end, tab in self._ends:
            if event.x < end:
                self.post_message(self.Chosen(tab))
                return


class KeyFooter(Widget):
    """What applies now, the most useful first, as many as fit; read from ``tuidock.keys``."""

    COMPONENT_CLASSES = {"footer--key", "footer--label"}

    def __init__(self) -> None:
        super().__init__()
        self.where = keys.CONTAINERS
        self.labels: dict[str, str] = {}
        self.hidden: frozenset[str] = frozenset()
        self.first: tuple[str, ...] = ()

    def show(
        self, where: str, *, labels: dict[str, str], hidden: frozenset[str], first: tuple[str, ...] = ()
    ) -> None:
        """Show the actions of ``where``: others' labels, some left out, those of ``first`` before all."""
        wanted = (where, labels, hidden, first)
        if wanted != (self.where, self.labels, self.hidden, self.first):
            self.where, self.labels, self.hidden, self.first = wanted
            self.refresh()

    def render(self) -> Text:
        """One line that is never cut within an entry."""
        text, width = Text(no_wrap=True, overflow="crop"), self.size.width
        key_style = self.get_component_rich_style("footer--key")
        label_style = self.get_component_rich_style("footer--label")
        for action in sorted(keys.footer_actions(self.where), key=lambda action: action.id not in self.first):
            if action.id in self.hidden:
                continue
            key, label = keys.shown(action.keys[0]), self.labels.get(action.id, action.label)
            if text.cell_len + cell_len(key) + cell_len(label) + 3 > width:
                continue
            text.append(f" {key}", key_style)
            text.append(f" {label} ", label_style)
        return text


class Notice(NamedTuple):
    """One line for the status line, and how it is coloured: "", good, bad or hint."""

    text: str
    style: str = ""


class StatusLine(Widget):
    """The last thing that happened, and at the right the marks and the filter."""

    COMPONENT_CLASSES = {"status--good", "status--bad", "status--hint", "status--chip"}

    def __init__(self) -> None:
        super().__init__()
        self.notice = Notice("")
        self.chips: tuple[str, ...] = ()

    def say(self, text: str, style: str = "") -> None:
        """Show ``text`` until something else is said."""
        self.notice = Notice(text, style)
        self.refresh()

    def show_chips(self, *chips: str) -> None:
        """What is worth knowing all the time: marks, the filter."""
        kept = tuple(chip for chip in chips if chip)
        if kept != self.chips:
            self.chips = kept
            self.refresh()

    def render(self) -> Text:
        """The notice at the left, the chips at the right."""
        chips = "  ".join(self.chips)
        width = max(0, self.size.width - cell_len(chips) - 3)
        style = (
            self.get_component_rich_style(f"status--{self.notice.style}")
            if self.notice.style
            else self.rich_style
        )
        text = Text(f" {self.notice.text}", style, no_wrap=True, overflow="ellipsis")
        text.truncate(width, overflow="ellipsis", pad=True)
        if chips:
            text.append(f" {chips} ", self.get_component_rich_style("status--chip"))
        return text
