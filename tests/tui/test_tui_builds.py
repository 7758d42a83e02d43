from __future__ import annotations

from pathlib import Path

import pytest

from engine.engine import Engine
from engine.paths import Paths
from engine.records import Image, Job
from tests.tui.harness import Tui, open_tui
from tuidock.messages import ActionFinished, JobEnded
from tuidock.screens.forms import BuildForm

pytestmark = pytest.mark.root


def _folder(tmp_path: Path, dockerfile: str) -> str:
    (tmp_path / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    return str(tmp_path)


async def _build(tui: Tui, folder: str, tag: str) -> None:
    await tui.press("b")
    form = tui.app.screen
    assert isinstance(form, BuildForm)
    form.query_one("#folder").value = folder  # type: ignore[attr-defined]
    form.query_one("#tag").value = tag  # type: ignore[attr-defined]
    await tui.press("enter")


async def _ended(tui: Tui, status: str) -> Job:
    ended = await tui.seen(JobEnded, lambda fact: fact.job.status == status)
    await tui.pilot.pause()
    return ended.job


async def test_a_build_shows_its_steps_and_output_and_its_result_can_be_run(
    paths: Paths, engine: Engine, busybox_image: Image, tmp_path: Path
):
    folder = _folder(tmp_path, 'FROM busybox\nRUN echo from the step\nCMD ["echo", "from the image"]\n')
    async with open_tui(paths) as tui:
        await _build(tui, folder, "app:1")
        await _ended(tui, "done")
        await tui.shows("✓ done")
        await tui.shows("RUN echo from the step")
        await tui.press("r")
        await tui.shows("tuidock run -d app:1")


async def test_a_second_build_marks_its_steps_as_cached(
    paths: Paths, engine: Engine, busybox_image: Image, tmp_path: Path
):
    folder = _folder(tmp_path, "FROM busybox\nRUN echo one > /one\n")
    async with open_tui(paths) as tui:
        await _build(tui, folder, "app:1")
        first = await _ended(tui, "done")
        await _build(tui, folder, "app:2")
        await tui.seen(JobEnded, lambda fact: fact.job.id != first.id)
        await tui.shows("✓ cached")


async def test_a_failing_step_is_shown_with_its_output_and_can_be_jumped_to(
    paths: Paths, engine: Engine, busybox_image: Image, tmp_path: Path
):
    folder = _folder(tmp_path, "FROM busybox\nRUN echo fine\nRUN echo broken; exit 3\n")
    async with open_tui(paths) as tui:
        await _build(tui, folder, "app:1")
        await _ended(tui, "failed")
        await tui.shows("✗ failed")
        await tui.press("enter", "k", "k")
        await tui.press("f")
        await tui.shows("failed with exit code 3 (Dockerfile line 3)")
        await tui.shows("broken")


async def test_x_cancels_a_running_build_after_asking(
    paths: Paths, engine: Engine, busybox_image: Image, tmp_path: Path
):
    folder = _folder(tmp_path, "FROM busybox\nRUN echo begun; sleep 600\n")
    async with open_tui(paths) as tui:
        await _build(tui, folder, "app:1")
        await tui.shows("begun")
        await tui.press("x", "y")
        await tui.seen(ActionFinished, lambda fact: fact.verb == "cancel")
        await tui.until(
            lambda: {job.status for job in tui.screen.jobs.values()} == {"cancelled"}, "the cancelled job"
        )


async def test_a_build_outlives_the_interface_and_is_followed_again(
    paths: Paths, engine: Engine, busybox_image: Image, tmp_path: Path
):
    folder = _folder(tmp_path, "FROM busybox\nRUN echo begun; sleep 3; echo finished\n")
    async with open_tui(paths) as tui:
        await _build(tui, folder, "app:1")
        await tui.shows("begun")
    async with open_tui(paths) as tui:
        await tui.press("3")
        await tui.shows("begun")
        await _ended(tui, "done")
        await tui.shows("finished")


async def test_a_folder_without_a_dockerfile_is_told_in_the_form(
    paths: Paths, engine: Engine, tmp_path: Path
):
    async with open_tui(paths) as tui:
        await _build(tui, str(tmp_path), "app:1")
        assert isinstance(tui.app.screen, BuildForm)
        await tui.shows("does not exist")


async def test_a_build_that_lasts_is_under_the_cursor_at_once(
    paths: Paths, engine: Engine, busybox_image: Image, tmp_path: Path
):
    folder = _folder(tmp_path, "FROM busybox\nRUN echo begun; sleep 600\n")
    async with open_tui(paths) as tui:
        await _build(tui, folder, "app:1")
        await tui.until(lambda: tui.screen.table.cursor_id in tui.screen.jobs, "the job's row", 4.0)
        await tui.shows("begun")
        await engine.jobs.cancel(next(iter(tui.screen.jobs)))


async def test_a_build_that_fails_before_its_first_step_says_why_and_what_to_do(
    paths: Paths, engine: Engine, tmp_path: Path
):
    async with open_tui(paths, size=(80, 24)) as tui:
        await _build(tui, _folder(tmp_path, "FROM 127.0.0.1:1/nosuch\n"), "app:1")
        await tui.until(
            lambda: {job.status for job in tui.screen.jobs.values()} == {"failed"}, "the failed job"
        )
        await tui.press("f")
        await tui.shows("FROM 127.0.0.1:1/nosuch: cannot reach")
        await tui.shows("makes base images here")
        assert "no step has failed" not in tui.text


async def test_f_opens_the_failing_step_where_the_detail_was_not_in_view(
    paths: Paths, engine: Engine, busybox_image: Image, tmp_path: Path
):
    folder = _folder(tmp_path, "FROM busybox\nRUN echo broken; exit 3\nRUN echo never\n")
    async with open_tui(paths, size=(80, 24)) as tui:
        await _build(tui, folder, "app:1")
        await tui.until(
            lambda: {job.status for job in tui.screen.jobs.values()} == {"failed"}, "the failed job"
        )
        await tui.press("f")
        await tui.shows("failed with exit code 3 (Dockerfile line 2)")
        assert "no step has failed" not in tui.text
