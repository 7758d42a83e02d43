"""Pulls and pushes through the interface: real jobs, and registries that speak real HTTP."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Input

from engine.engine import Engine
from engine.options import ImageFilter
from engine.paths import Paths
from engine.records import Image, Job
from tests.integration.test_push import until_open
from tests.support.registry import Registry
from tests.support.tars import member
from tests.tui.harness import Tui, compare, open_tui
from tuidock.messages import ActionFinished, JobEnded
from tuidock.screens.transfer_forms import PullForm, PushForm
from tuidock.settings import load

pytestmark = pytest.mark.root

_SIZES = {"wide": (120, 40), "plain": (80, 24), "tiny": (40, 12)}
_SMALL = (member("etc"), member("etc/one", b"1"))
_BIG = (member("big", os.urandom(600_000)),)


class _Holding(Registry):
    """Sends a part of what is big, and the rest once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()
        let, handler = self.let, self._server.RequestHandlerClass

        class Handler(handler):  # type: ignore[misc, valid-type]
            def _blob(self, content: bytes) -> None:
                if len(content) < 100_000 or let.is_set():
                    super()._blob(content)
                    return
                half = 1 << 18  # a piece as it is read
                self._begin(200, len(content), {})
                self.wfile.write(content[:half])
                self.wfile.flush()
                let.wait(60)
                self.wfile.write(content[half:])

        self._server.RequestHandlerClass = Handler


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Holding]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    with _Holding() as made:
        made.put_image("team/app", "1", _SMALL, _BIG)
        yield made
        made.let.set()


@pytest.fixture
def docker_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The host of Debian's docker-registry."""
    if shutil.which("docker-registry") is None:
        pytest.skip("NEEDS A REGISTRY: apt-get install docker-registry")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = tmp_path / "registry.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/registry}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\nlog: {{level: error}}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until_open(port)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def _pull(tui: Tui, name: str) -> None:
    await tui.press("p")
    form = tui.app.screen
    assert isinstance(form, PullForm)
    form.query_one("#reference", Input).value = name
    await tui.press("enter")


async def _ended(tui: Tui, status: str) -> Job:
    ended = await tui.seen(JobEnded, lambda fact: fact.job.status == status)
    await tui.pilot.pause()
    return ended.job


async def _statuses(tui: Tui, *wanted: str) -> None:
    """Wait until the jobs, the oldest first, have come so far."""
    await tui.until(
        lambda: (
            [job.status for job in sorted(tui.screen.jobs.values(), key=lambda job: job.started_at)]
            == list(wanted)
        ),
        f"jobs that are {wanted}",
    )


async def _half(tui: Tui) -> None:
    """Wait until the small layer is there, and half of the big one."""
    await tui.shows("✓ pulled")
    await tui.shows("262kB/600kB")


def _bytes_of(tui: Tui, job_id: str) -> int:
    """How many bytes the followed job has said that it has."""
    progress = tui.screen.progress.get(job_id)
    return 0 if progress is None else sum(transfer.done for transfer in progress.transfers.all)


async def test_a_pull_shows_a_line_a_layer_and_brings_the_image(
    paths: Paths, engine: Engine, registry: _Holding
):
    name = f"{registry.host}/team/app:1"
    async with open_tui(paths) as tui:
        await _pull(tui, name)
        await _half(tui)
        assert "↓ pulls" in tui.text
        assert "░" in tui.text
        registry.let.set()
        job = await _ended(tui, "done")
        assert tui.text.count("✓ pulled") == 2
        await tui.until(lambda: job.image_id in tui.screen.images, "the image in the list")
        await tui.press("2")
        await tui.shows(name)


async def test_two_pulls_go_on_at_once_and_x_cancels_one(paths: Paths, engine: Engine, registry: _Holding):
    registry.put_image("team/other", "1", (member("other", os.urandom(600_000)),))
    async with open_tui(paths) as tui:
        await _pull(tui, f"{registry.host}/team/app:1")
        await _half(tui)
        await _pull(tui, f"{registry.host}/team/other:1")
        await _statuses(tui, "running", "running")
        second = max(tui.screen.jobs.values(), key=lambda job: job.started_at).id
        await tui.until(lambda: _bytes_of(tui, second), "bytes of the second")
        await tui.press("x", "y")
        await tui.seen(ActionFinished, lambda fact: fact.verb == "cancel")
        await _statuses(tui, "running", "cancelled")
        await tui.shows("■ ended")
        registry.let.set()
        await _statuses(tui, "done", "cancelled")
        (image,) = await engine.images.list(ImageFilter())
        assert image.names == (f"{registry.host}/team/app:1",)


async def test_a_pull_outlives_the_interface_and_is_followed_again(
    paths: Paths, engine: Engine, registry: _Holding
):
    async with open_tui(paths) as tui:
        await _pull(tui, f"{registry.host}/team/app:1")
        await _half(tui)
    async with open_tui(paths) as tui:
        await tui.press("3")
        await _half(tui)
        registry.let.set()
        await _ended(tui, "done")


async def test_a_pull_that_fails_says_why_in_its_job(paths: Paths, engine: Engine, registry: _Holding):
    async with open_tui(paths) as tui:
        await _pull(tui, f"{registry.host}/team/app:none")
        await _statuses(tui, "failed")
        await tui.press("f")
        await tui.shows("manifest unknown")


async def test_what_was_pulled_is_completed_in_the_next_form(
    paths: Paths, engine: Engine, registry: _Holding
):
    name, settings = f"{registry.host}/team/app:1", f"{os.path.dirname(paths.root)}/config.toml"
    async with open_tui(paths) as tui:
        await _pull(tui, name)
        await _statuses(tui, "running")
        registry.let.set()
    assert load(settings).pulled == (name,)
    async with open_tui(paths) as tui:
        await tui.press("p")
        await tui.type(name[:5])
        await tui.shows(name)
        await tui.press("right")
        assert tui.app.screen.query_one("#reference", Input).value == name


@pytest.mark.parametrize(
    ("field", "text", "complaint"),
    [
        ("reference", "UPPER", "must be lowercase"),
        ("reference", "", "which image?"),
        ("platform", "no/such/thing/at/all", "platform"),
    ],
)
async def test_what_cannot_be_pulled_is_told_in_the_form(
    paths: Paths, engine: Engine, field: str, text: str, complaint: str
):
    async with open_tui(paths) as tui:
        await tui.press("p")
        tui.app.screen.query_one("#reference", Input).value = "busybox"
        tui.app.screen.query_one(f"#{field}", Input).value = text
        await tui.press("enter")
        assert isinstance(tui.app.screen, PullForm)
        await tui.shows(complaint)


async def test_a_push_under_a_new_name_tags_the_image_first(
    paths: Paths, engine: Engine, busybox_image: Image, docker_registry: str
):
    name = f"{docker_registry}/tools/busybox:1"
    async with open_tui(paths) as tui:
        await tui.press("2", "P")
        form = tui.app.screen
        assert isinstance(form, PushForm)
        form.query_one("#new", Input).value = name
        await tui.press("tab", "space")
        await tui.shows("tuidock tag busybox:latest 127")
        await tui.shows("&& tuidock push")
        await tui.press("enter")
        await _ended(tui, "done")
        await tui.shows("✓ pushed")
        assert {name, "busybox:latest"} == set((await engine.images.get(name)).names)
        await tui.press("2", "P", "enter")
        await _statuses(tui, "done", "done")
        await tui.shows("✓ there")


async def test_a_push_with_nothing_ticked_is_told_in_the_form(
    paths: Paths, engine: Engine, busybox_image: Image
):
    async with open_tui(paths) as tui:
        await tui.press("2", "P", "tab", "space", "enter")
        assert isinstance(tui.app.screen, PushForm)
        await tui.shows("under which name?")


@pytest.mark.parametrize(("size_name", "size"), _SIZES.items())
async def test_the_forms_and_a_pull_on_its_way_are_as_their_snapshots(
    paths: Paths,
    engine: Engine,
    registry: _Holding,
    size_name: str,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
):
    # news go away by themselves on a tiny terminal: not during the test
    monkeypatch.setattr("tuidock.screens.lists._SPEAK_SECONDS", 3600)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    async with open_tui(paths, size=size) as tui:
        tui.screen.status.say("")
        await tui.press("p")
        tui.app.screen.query_one("#reference", Input).value = "registry.example/team/app:1"
        await tui.shows("tuidock pull")
        compare(f"pull-{size_name}", tui)
        await tui.press("escape")
        await _pull(tui, f"{registry.host}/team/app:1")
        await tui.until(lambda: tui.screen.jobs, "the job")
        await tui.press("z")
        await _half(tui)
        compare(f"pulling-{size_name}", tui)
        registry.let.set()
        await _statuses(tui, "done")
        await tui.press("escape", "2", "P")
        await tui.shows("tuidock push")
        compare(f"push-{size_name}", tui)
