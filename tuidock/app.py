"""Owns the program: the first frame, the engine opened behind it, themes, what is remembered.

``main`` is the one entry. It refuses container logic, and a handler of SIGHUP: a terminal that went away
ends the program at once, and containers and jobs go on.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from textual import constants, events, work
from textual.app import App
from textual.binding import Binding, BindingType
from textual.worker import Worker, WorkerState

from engine.errors import EngineError
from tuidock import keys, settings
from tuidock.feed import Feed
from tuidock.messages import EngineFailed, EngineOpened, PullAsked, innermost
from tuidock.screens.main import MainScreen
from tuidock.screens.palette import ActionProvider
from tuidock.terminal import LendableDriver, die_by_signals
from tuidock.theming import DEFAULT, load_themes
from tuidock.turnstile import Turnstile
from tuidock.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.command import Provider
    from textual.driver import Driver

    from engine.engine import Engine
    from engine.paths import Paths


_STYLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "styles")


class TuidockApp(App[tuple[int, int]], inherit_bindings=False):
    """Containers, images and builds of one root; returns how many containers and jobs go on."""

    CSS_PATH: ClassVar = [
        os.path.join(_STYLES, f"{name}.tcss") for name in ("main", "table", "views", "dialogs")
    ]
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "say_how_to_quit", show=False, system=True)]
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionProvider}
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    TITLE = "tuidock"

    def __init__(
        self,
        paths: Paths,
        spawner: int | None = None,
        *,
        settings_path: str | None = None,
        driver_class: type[Driver] | None = None,
    ) -> None:
        # before the base class, which asks for the variables of a theme
        self.themes = load_themes()
        super().__init__(driver_class=driver_class)
        self.paths = paths
        self.turnstile = Turnstile(self)
        self._spawner = spawner
        self._settings_path = settings_path or settings.settings_path(os.environ)
        self.settings = settings.load(self._settings_path)
        self.engine: Engine | None = None
        self.main_screen = MainScreen(f"{socket.gethostname()}:{paths.root} ")
        for theme in self.themes.values():
            self.register_theme(theme)
        self.main_screen.pulled = self.settings.pulled
        self.theme = self.settings.theme if self.settings.theme in self.themes else DEFAULT

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our own variables, for the moments before a theme of ours is registered."""
        return dict(self.themes[DEFAULT].variables)

    def get_default_screen(self) -> MainScreen:
        """The main screen is the default one: it is painted first."""
        return self.main_screen

    async def on_event(self, event: events.Event) -> None:
        """Keys go through the turnstile, all else as ever."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            self.turnstile.take(event)
        else:
            await super().on_event(event)

    async def _route_key(self, key: events.Key) -> None:
        await super().on_event(key)

    def on_key_passed(self) -> None:
        self.turnstile.passed()

    def on_mount(self) -> None:
        self.run_worker(self.turnstile.run(self._route_key), group="keys")
        if not self.settings.greeted:
            self.main_screen.say("? help · : commands · q quit", "hint")
            self._remember(self.settings._replace(greeted=True))
        # after the first frame: reading the engine's modules takes longer than painting
        self.call_after_refresh(self._open_engine)

    @work(group="engine", exit_on_error=False)
    async def _open_engine(self) -> None:
        try:
            module = await asyncio.to_thread(importlib.import_module, "engine.engine")
            self.engine = await module.Engine.open(self.paths, spawner=self._spawner)
        except (EngineError, OSError) as error:
            self.main_screen.post_message(EngineFailed(error))
            return
        feed = Feed(self.engine, self.main_screen.post_message)
        self.main_screen.engine_opened(self.engine, feed)
        self.main_screen.post_message(EngineOpened())
        await feed.run()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What went wrong in the background is told, never lost."""
        error = event.worker.error
        if event.state is WorkerState.ERROR and error is not None:
            self.main_screen.post_message(EngineFailed(innermost(error)))

    async def on_unmount(self) -> None:
        if self.engine is not None:
            await self.engine.close()

    # -- themes -------------------------------------------------------------------------------
    def choose_theme(self, name: str) -> None:
        """Use the theme ``name`` now and from now on."""
        self.theme = name
        self._remember(self.settings._replace(theme=name))
        self.main_screen.say(f"theme: {name}")

    def action_next_theme(self) -> None:
        """The theme after the present one."""
        names = list(self.themes)
        self.choose_theme(names[(names.index(self.theme) + 1) % len(names)])

    def on_pull_asked(self, event: PullAsked) -> None:
        """The next form offers the name; so does that of another run."""
        self._remember(self.settings.with_pulled(event.name))
        self.main_screen.pulled = self.settings.pulled

    def _remember(self, changed: settings.Settings) -> None:
        self.settings = changed
        settings.save(self._settings_path, changed)

    def action_say_how_to_quit(self) -> None:
        """ctrl-c is often meant for a container: it does not quit."""
        self.main_screen.say(f"{keys.shown_keys(keys.BY_ID['quit'])} quits; containers go on", "hint")


def main(paths: Paths, spawner: int | None) -> int:
    """Run the terminal interface on ``paths``; the exit code of the program."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        sys.stderr.write("tuidock: no terminal here; `tuidock ps` and the other commands work without one\n")
        return 125
    if "SSH_CONNECTION" in os.environ and "ESCDELAY" not in os.environ:
        # an arrow key that a slow line splits must not become Esc and a letter
        setattr(constants, "ESCAPE_DELAY", 0.3)  # noqa: B010 - Textual declares it Final and reads it late
    die_by_signals()
    app = TuidockApp(paths, spawner, driver_class=LendableDriver)
    result: Any = app.run()
    if result is None:
        return app.return_code or 0
    running, jobs = result
    if running or jobs:
        parts = [counted(running, "container")] if running else []
        parts += [counted(jobs, "job")] if jobs else []
        goes = "goes" if running + jobs == 1 else "go"
        sys.stdout.write(f"tuidock: {' and '.join(parts)} {goes} on; open tuidock again to see them\n")
    return 0
