"""Owns full-screen pages to read: a document, an error's story, the help; refuses input but moving."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from tuidock import keys
from tuidock.widgets.facts_view import Fact, FactsView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

_HELP_LABEL = 16


class PageScreen(ModalScreen[None]):
    """A page of facts over everything; Esc or q closes it."""

    BINDINGS = [
        Binding("escape,q,enter", "close", "close"),
        Binding("j,down", "move(1)", "down"),
        Binding("k,up", "move(-1)", "up"),
        Binding("g,home", "move(-1000000)", "top"),
        Binding("G,end", "move(1000000)", "bottom"),
        Binding("space,pagedown,ctrl+f", "page(1)", "page down"),
        Binding("pageup", "page(-1)", "page up"),
    ]

    def __init__(self, title: str, facts: Sequence[Fact], *, label_width: int = 0) -> None:
        super().__init__()
        self._heading = title
        self._facts = tuple(facts)
        self._page = FactsView(label_width=label_width)

    def compose(self) -> ComposeResult:
        with Vertical(classes="page") as frame:
            frame.border_title = Content(f" {self._heading} ")
            frame.border_subtitle = Content(" esc closes · j k g G space move ")
            yield self._page

    def on_mount(self) -> None:
        self._page.show(self._facts)
        self._page.focus()

    def action_close(self) -> None:
        self.dismiss(None)

    def action_move(self, by: int) -> None:
        self._page.move(by)

    def action_page(self, direction: int) -> None:
        self._page.move_page(direction)


def help_page() -> PageScreen:
    """The table of keys, all of it, from ``tuidock.keys``."""
    facts: list[Fact] = []
    for group, actions in keys.help_actions():
        facts.append(Fact(group, ""))
        facts += [Fact(keys.shown_keys(action), f"{action.help}{_where(action)}") for action in actions]
        facts.append(Fact("", ""))
    facts += [
        Fact("Good to know", ""),
        Fact("Tab", "moves the focus and nothing else; Esc never quits"),
        Fact("quit", "containers and jobs go on; opening tuidock again shows them"),
    ]
    return PageScreen("keys", facts, label_width=_HELP_LABEL)


def _where(action: keys.Action) -> str:
    if keys.EVERYWHERE in action.where or set(keys.LISTS) <= set(action.where):
        return ""
    return f"  ({', '.join(action.where)})"


def several_stories_page(title: str, failed: Sequence[tuple[str, BaseException]]) -> PageScreen:
    """What went wrong with each of several things, by name."""
    from tuidock.sanitize import lines

    facts: list[Fact] = []
    for name, error in failed:
        facts.append(Fact(name, ""))
        for text in (str(error), getattr(error, "remedy", "")):
            facts += [Fact("", line, "plain") for line in lines(text) if line]
        facts.append(Fact("", ""))
    return PageScreen(title, facts)


def story_page(title: str, error: BaseException) -> PageScreen:
    """The whole story of ``error``: its message, its remedy, the last output."""
    from tuidock.sanitize import lines

    facts = [Fact("", line, "plain") for line in lines(str(error))]
    remedy = getattr(error, "remedy", "")
    if remedy:
        facts += [Fact("", ""), Fact("What to do", "")] + [Fact("", line, "plain") for line in lines(remedy)]
    output = getattr(error, "output", ())
    if output:
        facts += [Fact("", ""), Fact("Last output", "")] + [
            Fact("", text, "plain") for o in output for text in lines(o)
        ]
    return PageScreen(title, facts)
