"""Owns driving the real app on a real engine: keys in, facts out, the screen as text; refuses sleeping.

A test waits for the fact that proves the state (a message that reached the screen) or for a condition;
only then does it look at the screen.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from textual.events import Key

from tuidock.app import TuidockApp
from tuidock.messages import ContainersListed, ImagesListed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from textual.message import Message
    from textual.pilot import Pilot

    from engine.engine import Engine
    from engine.paths import Paths
    from engine.records import Container
    from tuidock.screens.main import MainScreen

PATIENCE = 30.0
SNAPSHOTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "snapshots")
_Fact = TypeVar("_Fact", bound="Message")
_MASKS = (
    (re.compile(r"\b[0-9a-f]{12}\b"), "·" * 12),
    (re.compile(r"\b[0-9a-f]{7}\b"), "·" * 7),
    (re.compile(r"(?<=\b127\.0\.0\.1:)\d{5}\b"), "PPPPP"),
    (re.compile(r"\b\d+(\.\d+)?(B|kB|MB)\b"), lambda match: "~" * len(match.group())),
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b"), "DDDD-DD-DD TT:TT:TT"),
    (re.compile(r"(?<=\bpid {10})\d+ *"), lambda match: "NNNN".ljust(len(match.group()))),
    (re.compile(r"\b\d+\.\d+\.\d+\.\d+/\d+ *"), lambda match: "A.A.A.A/NN".ljust(len(match.group()))),
    (re.compile(r" 1m$", re.MULTILINE), "now"),  # a test's things are new, however slow the machine
    (re.compile(r"\b\d+\.\ds\b"), lambda match: "~" * len(match.group())),
)


class Tui:
    """A running app, what was posted to it, and what it shows."""

    def __init__(self, app: TuidockApp, pilot: Pilot[tuple[int, int]], facts: list[Message]) -> None:
        self.app = app
        self.pilot = pilot
        self.facts = facts

    @property
    def screen(self) -> MainScreen:
        return self.app.main_screen

    @property
    def engine(self) -> Engine:
        assert self.app.engine is not None
        return self.app.engine

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.until(lambda: self.app.turnstile.idle, "the keys to be dealt with")

    async def burst(self, *keys: str) -> None:
        """All ``keys`` at once, as a slow line or an impatient hand delivers them."""
        for key in keys:
            self.app.post_message(Key(key, key if len(key) == 1 else None))
        await self.pilot.pause()
        await self.until(lambda: self.app.turnstile.idle, "the keys to be dealt with")

    async def type(self, text: str) -> None:
        names = {" ": "space", "/": "slash", ":": "colon", "-": "minus", ".": "full_stop", "=": "equals_sign"}
        await self.press(*(names.get(character, character) for character in text))

    async def seen(
        self,
        kind: type[_Fact],
        condition: Callable[[_Fact], bool] = lambda _: True,
        patience: float = PATIENCE,
    ) -> _Fact:
        """The first fact of ``kind`` that holds, from the start of the app on, once it has come."""

        def found() -> _Fact | None:
            return next((fact for fact in self.facts if isinstance(fact, kind) and condition(fact)), None)

        await self.until(lambda: found() is not None, f"a {kind.__name__}", patience)
        fact = found()
        assert fact is not None
        return fact

    async def until(self, condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        """Let the app work until ``condition`` holds."""
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {what}; on the screen:\n{self.text}")
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def shows(self, text: str) -> None:
        """Wait for ``text`` on the screen."""
        await self.until(lambda: text in self.text, repr(text))

    async def listed(self, condition: Callable[[dict[str, Container]], object]) -> None:
        """Wait until the screen's containers, by name, hold."""
        await self.until(
            lambda: condition({c.name: c for c in self.screen.containers.values()}), "containers as wanted"
        )

    @property
    def text(self) -> str:
        """The screen as it is painted, a line a line."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    def snapshot(self) -> str:
        """The screen's text with what differs between runs masked."""
        text = self.text.replace(self.screen.tab_bar.place.strip(), "HOST:ROOT")
        for pattern, mask in _MASKS:
            text = pattern.sub(mask, text)
        return "\n".join(line.rstrip() for line in text.split("\n")) + "\n"


@asynccontextmanager
async def open_tui(
    paths: Paths, *, size: tuple[int, int] = (120, 40), settings: str | None = None
) -> AsyncIterator[Tui]:
    """The app on ``paths``, once its lists have come."""
    facts: list[Message] = []
    app = TuidockApp(paths, settings_path=settings or f"{os.path.dirname(paths.root)}/config.toml")
    async with app.run_test(size=size, message_hook=facts.append) as pilot:
        tui = Tui(app, pilot, facts)
        await tui.seen(ContainersListed)
        await tui.seen(ImagesListed)
        await pilot.pause()
        yield tui


def compare(name: str, tui: Tui) -> None:
    """Hold the screen against ``snapshots/NAME.txt``; UPDATE_SNAPSHOTS=1 writes it anew.

    On a difference the picture is kept as SVG beside the temporary files, and named in the failure.
    """
    path, text = os.path.join(SNAPSHOTS, f"{name}.txt"), tui.snapshot()
    if os.environ.get("UPDATE_SNAPSHOTS"):
        os.makedirs(SNAPSHOTS, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    with open(path, encoding="utf-8") as file:
        wanted = file.read()
    if text != wanted:
        picture = f"/tmp/tuidock-{name}.svg"
        with open(picture, "w", encoding="utf-8") as file:
            file.write(tui.app.export_screenshot())
        raise AssertionError(f"{name} differs (picture: {picture})\n--- wanted\n{wanted}\n--- shown\n{text}")
