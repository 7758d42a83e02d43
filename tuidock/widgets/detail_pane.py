"""Owns the side that shows one thing closely: a container, an image or a job; refuses engine calls.

The screen hands it records, log bytes and progress; it keeps which view of the thing is open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from tuidock import keys
from tuidock.widgets.build_view import BuildView
from tuidock.widgets.facts_view import FactsView
from tuidock.widgets.log_view import LogView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tuidock.widgets.facts_view import Fact

_VIEWS = {
    keys.CONTAINERS: (("logs", "Logs"), ("config", "Config"), ("mounts", "Mounts")),
    keys.IMAGES: (("image", "Layers and config"),),
    keys.BUILDS: (("build", "Steps and output"),),
}


class DetailTitle(Widget):
    """What is shown, and the names of its views."""

    COMPONENT_CLASSES = {"detail--name", "detail--active", "detail--view"}

    def __init__(self) -> None:
        super().__init__()
        self.subject = ""
        self.views: tuple[tuple[str, str], ...] = ()
        self.active = ""

    def render(self) -> Text:
        """One line: the subject, then its views."""
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f" {self.subject or '-'}  ", self.get_component_rich_style("detail--name"))
        for view, name in self.views:
            style = "detail--active" if view == self.active else "detail--view"
            text.append(f" {name} ", self.get_component_rich_style(style))
        return text


class DetailPane(Vertical):
    """The detail side; see the module."""

    def __init__(self) -> None:
        super().__init__(id="detail")
        self.kind = keys.CONTAINERS
        self.heading = DetailTitle()
        self.log_view = LogView(id="logs")
        self.config = FactsView(id="config")
        self.mounts = FactsView(id="mounts")
        self.image = FactsView(id="image")
        self.build = BuildView(id="build")
        self.switcher = ContentSwitcher(initial="logs")
        self._chosen = {kind: views[0][0] for kind, views in _VIEWS.items()}

    def compose(self) -> ComposeResult:
        yield self.heading
        with self.switcher:
            yield self.log_view
            yield self.config
            yield self.mounts
            yield self.image
            yield self.build

    @property
    def view(self) -> str:
        """The open view: logs, config, mounts, image or build."""
        return self._chosen[self.kind]

    @property
    def target(self) -> LogView | FactsView | BuildView:
        """The widget of the open view."""
        targets: dict[str, LogView | FactsView | BuildView] = {
            "logs": self.log_view,
            "config": self.config,
            "mounts": self.mounts,
            "image": self.image,
            "build": self.build,
        }
        return targets[self.view]

    def show_subject(self, kind: str, subject: str) -> None:
        """Say what the pane is about; its content follows."""
        self.kind = kind
        self._apply(subject)

    def show_facts(self, view: str, facts: Sequence[Fact], *, keep_place: bool) -> None:
        """Fill one of the fact pages."""
        page = {"config": self.config, "mounts": self.mounts, "image": self.image}[view]
        page.show(facts, keep_place=keep_place)

    def choose(self, view: str) -> None:
        """Open ``view`` of the present kind."""
        self._chosen[self.kind] = view
        self._apply(self.heading.subject)

    def turn(self, by: int) -> None:
        """Open the view ``by`` places further on."""
        views = [view for view, _ in _VIEWS[self.kind]]
        self.choose(views[(views.index(self.view) + by) % len(views)])

    def focus_view(self) -> None:
        """Give the keyboard to the open view."""
        target = self.target
        (target.output if isinstance(target, BuildView) else target).focus()

    def move(self, by: int) -> None:
        """Scroll the open view, or choose another step of a build."""
        target = self.target
        if isinstance(target, BuildView):
            if (target.steps.display or target.layer_table.display) and abs(by) == 1:
                target.choose(by)
            else:
                target.output.move(by)
        else:
            target.move(by)

    def move_page(self, direction: int) -> None:
        target = self.target
        (target.output if isinstance(target, BuildView) else target).move_page(direction)

    def shift(self, by: int) -> None:
        """Scroll long lines of an output sideways."""
        target = self.target
        output = target.output if isinstance(target, BuildView) else target
        if isinstance(output, LogView):
            output.shift(by)

    def _apply(self, subject: str) -> None:
        self.switcher.current = self.view
        self.heading.subject = subject
        self.heading.views, self.heading.active = _VIEWS[self.kind], self.view
        self.heading.refresh()
