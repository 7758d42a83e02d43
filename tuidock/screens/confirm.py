"""Owns asking before something is lost: opens at once, Enter means no, ``y`` answers yes.

It refuses to wait for its preview: that is filled in when it comes. Being modal from the moment it is
pushed, it takes every key that was typed ahead; none reaches what lies below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from textual.app import ComposeResult

_NAMED = 10


class ConfirmDialog(ModalScreen[bool]):
    """A question; dismissed with True for ``y`` only."""

    BINDINGS = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,enter,escape,q", "answer(False)", "no"),
        Binding("j,down", "scroll(1)", "down"),
        Binding("k,up", "scroll(-1)", "up"),
    ]

    def __init__(
        self,
        title: str,
        names: Sequence[str],
        *,
        hidden: Sequence[str] = (),
        preview: Awaitable[Sequence[str]] | None,
    ) -> None:
        super().__init__()
        self._heading = title
        self._names = tuple(names)
        self._hidden = tuple(hidden)
        self._preview = preview

    def compose(self) -> ComposeResult:
        count = len(self._names)
        with VerticalScroll(classes="dialog -danger", can_focus=False) as dialog:
            dialog.border_title = Content(f" {self._heading}{f' {count}' if count > 1 else ''} ")
            # in the frame, where no list of names can push it out of a small window
            dialog.border_subtitle = Content(" y yes · n, Enter, Esc: no ")
            shown = ", ".join(self._names[:_NAMED])
            more = f" and {len(self._names) - _NAMED} more" if len(self._names) > _NAMED else ""
            yield Static(Content(f"{self._heading}: {shown}{more}?"), classes="question", markup=False)
            if self._hidden:
                text = f"{len(self._hidden)} of them hidden by the filter: {', '.join(self._hidden[:_NAMED])}"
                yield Static(Content(text), classes="error", markup=False)
            if self._preview is not None:
                yield Static(Content("looking at what goes with it …"), classes="preview", markup=False)

    def on_mount(self) -> None:
        if self._preview is not None:
            self.run_worker(self._fill(self._preview), exclusive=True)

    async def _fill(self, preview: Awaitable[Sequence[str]]) -> None:
        lines = await preview
        self.query_one(".preview", Static).update(Content("\n".join(lines) or "nothing else goes with it"))

    def action_scroll(self, by: int) -> None:
        """Move through a list that is longer than the window."""
        self.query_one(".dialog").scroll_relative(y=by, animate=False)

    def action_answer(self, answer: bool) -> None:
        """Close with the answer."""
        self.dismiss(answer)
