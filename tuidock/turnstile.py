"""Owns letting keys through one at a time: each is dealt with before the next is routed.

Textual hands a key to whatever has the focus when it arrives, so keys that come in one burst (typed ahead,
a slow line) all go to the place that the first of them leaves: ``/q`` would quit instead of filtering. It
refuses to wait for ever: a key whose place vanished with it is given up after half a second.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import App
    from textual.events import Key

_PATIENCE_SECONDS = 0.5


class KeyPassed(Message):
    """Goes the way of a key, right behind it; once it is at the top, the key has been dealt with."""


class Turnstile:
    """The keys of one app."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._waiting: asyncio.Queue[Key] = asyncio.Queue()
        self._passed = asyncio.Event()
        self._busy = False

    @property
    def idle(self) -> bool:
        """Whether every key so far has been dealt with."""
        return not self._busy and self._waiting.empty()

    def take(self, key: Key) -> None:
        """Let ``key`` through when its turn comes."""
        self._waiting.put_nowait(key)

    def passed(self) -> None:
        """A ``KeyPassed`` is at the top; what the key asked for later (a change of focus) comes first."""
        self._app.call_later(self._passed.set)

    async def run(self, deliver: Callable[[Key], Awaitable[None]]) -> None:
        """Let keys through until cancelled; ``deliver`` routes one as the app stands then."""
        while True:
            key = await self._waiting.get()
            self._busy = True
            screen = self._app.screen
            target = self._app.focused or screen
            self._passed.clear()
            await deliver(key)
            if target.post_message(KeyPassed()):
                await self._wait_for_passing()
            if self._app.is_running and self._app.screen is not screen:
                # a dialog or form takes the next key once it has its focus
                self._passed.clear()
                self._app.screen.call_after_refresh(self._passed.set)
                await self._wait_for_passing()
            self._busy = False

    async def _wait_for_passing(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._passed.wait(), _PATIENCE_SECONDS)
