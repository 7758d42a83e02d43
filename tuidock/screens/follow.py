"""Owns keeping the detail side true to the thing under the cursor: log, facts, history, job.

It only reads from the engine. One reader at a time: the next subject cancels the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, cast

from textual import on

from engine.errors import EngineError
from engine.events import StepOutput
from engine.options import LogOptions
from tuidock import keys
from tuidock.feed import follow_job
from tuidock.messages import JobAdvanced, JobEnded
from tuidock.pages import container_config_page, container_mounts_page, image_page
from tuidock.progress import JobProgress
from tuidock.sanitize import label
from tuidock.screens.lists import ListScreen

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from textual.timer import Timer
    from textual.worker import Worker

    from engine.engine import Engine
    from engine.records import Job, LogChunk

_DEBOUNCE_SECONDS = 0.06
_LOG_TAIL = 2_000
_KEPT_JOBS = 20
_SECOND = 1_000_000_000


class FollowScreen(ListScreen):
    """The lists, with the detail side filled from the engine."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.engine: Engine | None = None
        self.progress: dict[str, JobProgress] = {}
        self._subject: tuple[str, str] | None = None
        self._reader: Worker[None] | None = None
        self._debounce: Timer | None = None

    def subject_changed(self) -> None:
        """Wait a moment, so that holding ``j`` does not start a reader a row."""
        if self._debounce is not None:
            self._debounce.stop()
        self._debounce = self.set_timer(_DEBOUNCE_SECONDS, self._show_subject)

    def content_changed(self, tab: str) -> None:
        """Records are new: the pages follow; a log whose reader ended is followed again if it runs."""
        if tab != self.tab:
            return
        if self._subject != self._wanted_subject():
            self.subject_changed()
        elif tab == keys.IMAGES and self._subject is not None:
            self._read(self._subject)
        elif tab == keys.CONTAINERS and self._subject is not None:
            self._fill_container(self._subject[1], keep_place=True)
            container = self.containers.get(self._subject[1])
            over = self._reader is None or self._reader.is_finished
            if container is not None and container.state.running and over:
                self._read(self._subject)

    def _wanted_subject(self) -> tuple[str, str] | None:
        row_id = self.table.cursor_id
        return (self.tab, row_id) if self.detail_visible and row_id is not None else None

    def _show_subject(self) -> None:
        self._debounce = None
        wanted = self._wanted_subject()
        if wanted == self._subject:
            return
        self._subject = wanted
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None
        if wanted is None:
            self.detail.show_subject(self.tab, "")
            self._blank()
            return
        tab, row_id = wanted
        if tab == keys.CONTAINERS:
            self._fill_container(row_id, keep_place=False)
            self.detail.log_view.clear("no output yet")
        elif tab == keys.IMAGES:
            image = self.images[row_id]
            self.detail.show_subject(tab, label(image.names[0] if image.names else row_id[7:19]))
            self.detail.show_facts("image", image_page(image, ()), keep_place=False)
        else:
            self.detail.show_subject(tab, label(self.jobs[row_id].title))
            self.detail.build.show(self._progress_of(row_id))
        self._read(wanted)

    def _blank(self) -> None:
        self.detail.log_view.clear("")
        for view in ("config", "mounts", "image"):
            self.detail.show_facts(view, (), keep_place=False)
        self.detail.build.show(None)

    def _fill_container(self, container_id: str, *, keep_place: bool) -> None:
        container = self.containers.get(container_id)
        if container is not None:
            self.detail.show_subject(keys.CONTAINERS, label(container.name))
            self.detail.show_facts("config", container_config_page(container), keep_place=keep_place)
            self.detail.show_facts("mounts", container_mounts_page(container), keep_place=keep_place)

    # -- readers ------------------------------------------------------------------------------
    def _read(self, subject: tuple[str, str]) -> None:
        if self.engine is None:
            return
        tab, row_id = subject
        if tab == keys.CONTAINERS:
            work = self._read_log(self.engine, row_id)
        elif tab == keys.IMAGES:
            work = self._read_history(self.engine, row_id)
        elif self._progress_of(row_id).followed_to_end:
            return
        else:
            work = self._read_job(self.engine, row_id)
        self._reader = self.run_worker(work, group="detail", exclusive=True, exit_on_error=False)

    async def _read_log(self, engine: Engine, container_id: str) -> None:
        log = self.detail.log_view
        log.clear("no output yet")
        try:
            options = LogOptions(follow=True, tail=_LOG_TAIL)
            # closed when this reader is cancelled, not when the garbage is collected
            chunks = cast("AsyncGenerator[LogChunk]", engine.containers.logs(container_id, options))
            async with contextlib.aclosing(chunks):
                async for chunk in chunks:
                    log.feed(chunk.content, chunk.stream)
                    # keys come before a flood
                    await asyncio.sleep(0)
        except (EngineError, OSError) as error:
            log.notice(label(str(error)))

    async def _read_history(self, engine: Engine, image_id: str) -> None:
        with contextlib.suppress(EngineError):
            history = await engine.images.history(image_id)
            image = self.images.get(image_id)
            if image is not None and self._subject == (keys.IMAGES, image_id):
                self.detail.show_facts("image", image_page(image, history), keep_place=True)

    async def _read_job(self, engine: Engine, job_id: str) -> None:
        job = self.jobs.get(job_id)
        until = (job.finished_at or time.time_ns()) if job is not None else 0
        age = (until - job.started_at) / _SECOND if job is not None else 0.0
        progress = self.progress[job_id] = JobProgress(job_id, age)
        self.detail.build.show(progress)
        try:
            await follow_job(engine, job_id, self.post_message)
        except (EngineError, OSError) as error:
            progress.messages.write("stderr", f"{label(str(error))}\n".encode())
            self.detail.build.show(progress)
            return
        self.post_message(JobEnded(await engine.jobs.result(job_id)))

    # -- jobs ---------------------------------------------------------------------------------
    def _progress_of(self, job_id: str) -> JobProgress:
        """What is known of a job's facts; only the last few jobs are kept."""
        if job_id not in self.progress:
            self.progress[job_id] = JobProgress(job_id)
            for old in list(self.progress)[:-_KEPT_JOBS]:
                del self.progress[old]
        return self.progress[job_id]

    @on(JobAdvanced)
    def _job_advanced(self, event: JobAdvanced) -> None:
        progress = self._progress_of(event.job_id)
        grown: list[tuple[int, str, bytes]] = []
        for fact in event.facts:
            index = progress.fold(fact)
            if index is not None:
                step = progress.messages if index < 0 else progress.steps[index]
                if isinstance(fact, StepOutput):
                    grown.append((index, fact.stream, fact.content))
                elif step.output:
                    grown.append((index, *step.output[-1]))
        if self.detail.build.progress is progress:
            self.detail.build.advanced(grown)

    @on(JobEnded)
    def _job_ended(self, event: JobEnded) -> None:
        """Steps that still ran were cut off; an error that no step tells of stands among the messages."""
        progress = self._progress_of(event.job.id)
        progress.end()
        progress.image_id = event.job.image_id or progress.image_id
        if event.job.error and progress.failing is None:
            progress.messages.reason = "\n".join(filter(None, (event.job.error, _remedy(event.job))))
        if self.detail.build.progress is progress:
            self.detail.build.show(progress)


def _remedy(job: Job) -> str:
    """What the engine advises, and where base images are made here."""
    here = (
        f"; {keys.shown_keys(keys.BY_ID['make'])} makes base images here" if "bootstrap" in job.remedy else ""
    )
    return f"{job.remedy}{here}"
