from __future__ import annotations

import time

import pytest
from textual.message import Message

from engine.engine import Engine
from engine.options import CreateOptions
from engine.paths import Paths
from engine.records import Image
from tests.tui.harness import Tui, open_tui
from tuidock import keys
from tuidock.app import TuidockApp
from tuidock.messages import EngineFailed
from tuidock.screens.forms import BuildForm

pytestmark = pytest.mark.root


async def test_the_empty_state_is_a_list_with_the_focus_on_its_first_row(paths: Paths, engine: Engine):
    async with open_tui(paths) as tui:
        await tui.shows("hello-world")
        assert tui.screen.place == keys.WELCOME
        assert tui.screen.table.has_focus
        assert tui.screen.table.cursor_id == "hello-world"
        assert "busybox" in tui.text
        assert "debian:bookworm" in tui.text


async def test_enter_runs_hello_world_within_five_seconds_and_shows_its_output(paths: Paths, engine: Engine):
    begun = time.monotonic()
    async with open_tui(paths) as tui:
        await tui.press("enter")
        await tui.shows("Hello from")
        assert time.monotonic() - begun < 5


async def test_enter_on_busybox_makes_it_and_b_then_builds_the_hello_example(
    paths: Paths, engine: Engine, monkeypatch: pytest.MonkeyPatch, short_folder: str
):
    monkeypatch.chdir(short_folder)
    async with open_tui(paths) as tui:
        await tui.press("j", "enter")
        await tui.until(
            lambda: any("busybox:latest" in image.names for image in tui.screen.images.values()), "busybox"
        )
        await tui.press("b")
        assert isinstance(tui.app.screen, BuildForm)
        assert "examples/hello" in tui.text
        await tui.press("enter")
        await tui.until(
            lambda: any("hello:latest" in image.names for image in tui.screen.images.values()),
            "the built image",
        )


async def test_the_first_start_says_the_three_keys_and_the_second_does_not(paths: Paths, engine: Engine):
    async with open_tui(paths) as tui:
        assert "? help · : commands · q quit" in tui.text
    async with open_tui(paths) as tui:
        assert "? help · : commands · q quit" not in tui.text


async def test_the_theme_is_remembered(paths: Paths, engine: Engine):
    async with open_tui(paths) as tui:
        await tui.press("T")
        chosen = tui.app.theme
        assert chosen != next(iter(tui.app.themes))
    async with open_tui(paths) as tui:
        assert tui.app.theme == chosen


async def test_the_palette_chooses_a_theme(paths: Paths, engine: Engine):
    async with open_tui(paths) as tui:
        await tui.press("colon")
        await tui.type("daylight")
        await tui.shows("theme: daylight")
        await tui.press("down", "enter")
        await tui.until(lambda: tui.app.theme == "daylight", "the theme")


async def test_help_lists_the_keys(paths: Paths, engine: Engine):
    async with open_tui(paths) as tui:
        await tui.press("question_mark")
        await tui.shows("Stop a running container")
        await tui.press("escape")
        assert len(tui.app.screen_stack) == 1


async def test_an_engine_that_cannot_be_opened_is_told_without_a_traceback(short_folder: str):
    app = TuidockApp(
        Paths(root="/dev/null/root", run=f"{short_folder}/run"), settings_path=f"{short_folder}/c.toml"
    )
    facts: list[Message] = []
    async with app.run_test(message_hook=facts.append) as pilot:
        tui = Tui(app, pilot, facts)
        await tui.seen(EngineFailed)
        await tui.shows("/dev/null/root")
        assert "Traceback" not in tui.text
        await tui.press("escape")
        assert "opening" not in tui.text
        await tui.press("b")
        assert tui.app.screen is tui.screen
        await tui.shows("no engine: /dev/null/root")


async def test_b_builds_the_hello_example_right_after_hello_world(
    paths: Paths, engine: Engine, monkeypatch: pytest.MonkeyPatch, short_folder: str
):
    monkeypatch.chdir(short_folder)
    async with open_tui(paths) as tui:
        await tui.press("enter")
        await tui.shows("Hello from")
        await tui.press("b", "enter")
        await tui.until(
            lambda: any("hello:latest" in image.names for image in tui.screen.images.values()),
            "the built image",
        )


async def test_n_offers_the_images_to_begin_with_and_esc_goes_back(
    paths: Paths, engine: Engine, busybox_image: Image
):
    await engine.containers.create(CreateOptions(image="busybox", name="web", network="none"))
    async with open_tui(paths) as tui:
        await tui.press("2", "n")
        await tui.shows("debian:bookworm")
        assert tui.screen.place == keys.WELCOME
        await tui.press("escape")
        assert tui.screen.place == keys.CONTAINERS
        await tui.shows("web")
