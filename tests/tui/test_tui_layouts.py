from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import pytest

from engine.engine import Engine
from engine.options import CreateOptions, PortSpec
from engine.paths import Paths
from engine.records import Image
from tests.support.project import ROOT
from tests.tui.harness import Tui, compare, open_tui

pytestmark = pytest.mark.root

_SIZES = {"wide": (120, 40), "plain": (80, 24), "tiny": (40, 12)}
_PICTURE = os.path.join(ROOT, "docs", "screenshot.svg")
_LINES = (
    r"\033[32mINFO\033[0m  listening on :80",
    r"\033[32mINFO\033[0m  10.0.0.5 GET / 200 612",
    r"\033[33mWARN\033[0m  10.0.0.9 GET /admin 404 153",
    r"\033[32mINFO\033[0m  10.0.0.5 GET /style.css 200 1482",
    r"\033[31mERROR\033[0m upstream timed out while reading",
    r"\033[32mINFO\033[0m  10.0.0.7 POST /login 302 0",
)


@pytest.fixture
async def fleet(engine: Engine, busybox_image: Image) -> None:
    """Five containers, each in a state of its own, made in this order."""
    for name in ("shop/web:2.1", "shop/jobs:2.1"):
        await engine.images.tag("busybox", name)
    talk = "; ".join(f"printf '{line}\\n'" for line in _LINES)
    wait = "while :; do sleep 1; done"
    await _made(engine, "busybox", "draft", None)
    await _made(engine, "shop/jobs:2.1", "migrate", "echo migrated")
    await _made(engine, "shop/jobs:2.1", "import-job", "echo row 17: bad date >&2; exit 3")
    await _made(engine, "shop/jobs:2.1", "worker", f"echo waiting for jobs; {wait}")
    await _made(
        engine, "shop/web:2.1", "web", f"{talk}; {wait}", PortSpec(container_port=80, host_port=18080)
    )


async def _made(engine: Engine, image: str, name: str, script: str | None, *ports: PortSpec) -> None:
    command = ("sh", "-c", script or "echo [/red]")
    network = "bridge" if ports else "none"
    options = CreateOptions(image=image, name=name, command=command, ports=ports, network=network)
    container = await engine.containers.create(options)
    if script is not None:
        await engine.containers.start(container.id)
        if "sleep" not in script:
            await engine.containers.wait(container.id)


async def _list(tui: Tui) -> None:
    tui.screen.table.move_to(next(c.id for c in tui.screen.containers.values() if c.name == "web"))
    if tui.screen.wide:
        await tui.shows("POST /login 302")


async def _detail(tui: Tui) -> None:
    await _list(tui)
    await tui.press("enter")
    await tui.shows("POST /login 302")


async def _config(tui: Tui) -> None:
    await _list(tui)
    await tui.press("enter", "right_square_bracket")
    await tui.shows("WHAT IT RUNS")


async def _images(tui: Tui) -> None:
    await tui.press("2")
    await tui.shows("busybox:latest")


async def _builds(tui: Tui) -> None:
    await tui.press("3")
    await tui.shows("JOB")


async def _help(tui: Tui) -> None:
    await tui.press("question_mark")
    await tui.shows("Run an image")


async def _remove(tui: Tui) -> None:
    await _list(tui)
    await tui.press("d")
    await tui.shows("killed")


async def _run(tui: Tui) -> None:
    await _list(tui)
    await tui.press("r")
    await tui.shows("tuidock run")


async def _filter(tui: Tui) -> None:
    await tui.press("slash")
    await tui.type("wo")
    await tui.until(lambda: len(tui.screen.table.rows) == 1, "one row")


_VIEWS: dict[str, Callable[[Tui], Awaitable[None]]] = {
    "list": _list,
    "detail": _detail,
    "config": _config,
    "images": _images,
    "builds": _builds,
    "help": _help,
    "remove": _remove,
    "run": _run,
    "filter": _filter,
}


async def test_every_view_at_every_size_is_as_its_snapshot(paths: Paths, engine: Engine, fleet: None):
    for size_name, size in _SIZES.items():
        for view_name, go in _VIEWS.items():
            async with open_tui(paths, size=size) as tui:
                await tui.listed(lambda names: len(names) == 5)
                tui.screen.status.say("")
                await go(tui)
                await tui.pilot.pause(0.1)
                compare(f"{view_name}-{size_name}", tui)


@pytest.mark.parametrize(("size_name", "size"), _SIZES.items())
async def test_the_empty_state_is_as_its_snapshot(
    paths: Paths, engine: Engine, size_name: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
):
    # the greeting goes away by itself on a tiny terminal: not during the test
    monkeypatch.setattr("tuidock.screens.lists._SPEAK_SECONDS", 3600)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    async with open_tui(paths, size=size) as tui:
        await tui.shows("hello-world")
        compare(f"welcome-{size_name}", tui)


async def test_the_picture_of_the_readme_is_what_the_interface_shows(
    paths: Paths, engine: Engine, fleet: None
):
    async with open_tui(paths, size=(120, 30)) as tui:
        tui.screen.tab_bar.place = "web-1:/var/lib/tuidock "
        tui.screen.tab_bar.refresh()
        tui.screen.status.say("")
        await _list(tui)
        await tui.pilot.pause(0.1)
        picture = tui.app.export_screenshot(title="tuidock")
    if os.environ.get("UPDATE_SNAPSHOTS"):
        os.makedirs(os.path.dirname(_PICTURE), exist_ok=True)
        with open(_PICTURE, "w", encoding="utf-8") as file:
            file.write(picture)
    with open(_PICTURE, encoding="utf-8") as file:
        assert file.read() == picture, "UPDATE_SNAPSHOTS=1 makes docs/screenshot.svg anew"


async def test_z_gives_the_detail_the_whole_width_and_back(paths: Paths, engine: Engine, fleet: None):
    async with open_tui(paths, size=(120, 40)) as tui:
        await tui.press("z")
        await tui.pilot.pause()
        assert tui.screen.detail.region.width == 120
        await tui.press("escape")
        await tui.pilot.pause()
        assert tui.screen.lists.region.width > 60


async def test_the_layout_follows_the_terminal_s_size(paths: Paths, engine: Engine, fleet: None):
    async with open_tui(paths, size=(120, 40)) as tui:
        assert tui.screen.detail.region.width > 40
        await tui.pilot.resize_terminal(80, 24)
        await tui.pilot.pause()
        assert tui.screen.detail.region.width == 0
        await tui.press("enter")
        await tui.pilot.pause()
        assert (tui.screen.detail.region.width, tui.screen.lists.region.width) == (80, 0)
        await tui.press("escape")
        await tui.pilot.pause()
        assert tui.screen.lists.region.width == 80
