"""The real input through the interface: once by Pilot, once in a real terminal."""

from __future__ import annotations

import asyncio
import os

import pytest

from engine.engine import Engine
from engine.options import BootstrapOptions, BuildOptions
from engine.paths import Paths
from tests.integration.test_examples import fetch
from tests.support.project import ROOT
from tests.tui.harness import Tui, open_tui
from tests.tui.real_terminal import Tmux
from tuidock.messages import JobEnded
from tuidock.screens.forms import BuildForm, RunForm

_EXAMPLES = os.path.join(ROOT, "examples")
_MINUTES = 300.0


async def _squares_by_pilot(tui: Tui) -> None:
    await tui.press("b")
    form = tui.app.screen
    assert isinstance(form, BuildForm)
    form.query_one("#folder").value = f"{_EXAMPLES}/squares"  # type: ignore[attr-defined]
    form.query_one("#tag").value = "squares"  # type: ignore[attr-defined]
    await tui.press("enter")
    ended = await tui.seen(JobEnded, patience=_MINUTES)
    assert ended.job.status == "done", ended.job.error
    await tui.shows("✓ done")
    await tui.press("r")
    assert isinstance(tui.app.screen, RunForm)
    await tui.shows("tuidock run -d squares:latest")
    await tui.press("enter")
    await tui.shows("This is the squaring function")


def _flask_in_a_terminal(terminal: Tmux) -> None:
    terminal.shows("squares")
    terminal.send("b")
    terminal.shows("tuidock build")
    for text in (f"{_EXAMPLES}/flask", "flask"):
        terminal.send("C-u", text, "Tab")
    terminal.shows(f"tuidock build -t flask {_EXAMPLES}/flask")
    terminal.send("Enter")
    terminal.shows("r runs it", patience=_MINUTES)
    terminal.send("r")
    terminal.shows("tuidock run -d -p 3000:3000 flask:latest")
    terminal.send("Tab", "Tab", "Tab", "C-u", "5000:3000")
    terminal.shows("tuidock run -d -p 5000:3000 flask:latest")
    terminal.send("Enter")
    terminal.shows("5000→3000")


@pytest.mark.root
@pytest.mark.network
@pytest.mark.timeout(900)
async def test_squares_by_keys_in_pilot_and_flask_by_keys_in_a_real_terminal(paths: Paths, engine: Engine):
    await engine.images.bootstrap(BootstrapOptions(name="debian:bookworm", host_ca=True), lambda _fact: None)
    await engine.builds.build(
        BuildOptions(context=f"{_EXAMPLES}/python", tags=("python",)), lambda _fact: None
    )
    async with open_tui(paths) as tui:
        await _squares_by_pilot(tui)
    terminal = Tmux(paths)
    try:
        await asyncio.to_thread(_flask_in_a_terminal, terminal)
        assert await fetch("http://127.0.0.1:5000/") == "Hello from a container\n"
    finally:
        terminal.close()
