"""Owns what the command palette lists: the actions that apply and the themes; reads ``tuidock.keys``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Provider

from tuidock import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.command import Hits


class ActionProvider(Provider):
    """Every action of the place that the user is at, by label and help, and every theme."""

    async def discover(self) -> Hits:
        """All of them, while nothing is typed."""
        for text, run, hint in self._commands():
            yield DiscoveryHit(text, run, help=hint)

    async def search(self, query: str) -> Hits:
        """Those that match ``query``."""
        matcher = self.matcher(query)
        for text, run, hint in self._commands():
            score = matcher.match(f"{text} {hint}")
            if score > 0:
                yield Hit(score, matcher.highlight(text), run, text=text, help=hint)

    def _commands(self) -> Iterator[tuple[str, Callable[[], object], str]]:
        place = getattr(self.screen, "place", keys.EVERYWHERE)
        act = getattr(self.screen, "action_act", None)
        if act is None:
            return
        for action in keys.palette_actions(place):
            yield f"{action.label}  ·  {keys.shown_keys(action)}", partial(act, action.id), action.help
        for theme in getattr(self.app, "themes", {}):
            yield f"theme: {theme}", partial(self.app.choose_theme, theme), "Use this theme from now on"  # type: ignore[attr-defined]
