"""Owns bringing the engine's truth to the screen: opening it, listing, and the journal; refuses to paint.

Events only say what to read again. Reads are coalesced: however many events come, each list is read at
most every tenth of a second, and never twice at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, cast

from engine.errors import EngineError, NotFound
from engine.events import LayerProgress, ProgressFact, StepOutput
from engine.options import ContainerFilter, EventFilter, ImageFilter
from tuidock.messages import (
    ContainersListed,
    EngineFailed,
    ImagesListed,
    JobAdvanced,
    JobsListed,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from textual.message import Message

    from engine.engine import Engine
    from engine.records import Container

_GAP_SECONDS = 0.1
_FEW = 8
"""Up to so many changed containers are read one by one instead of all anew."""
_COUNTED = {"create", "destroy"}
_LOOK_BACK = 1_000_000_000
_BATCH_SECONDS = 0.05
_RETRY_SECONDS = 1.0
_FLOODS = StepOutput | LayerProgress


class Feed:
    """Follows one engine; ``post`` takes messages for the screen."""

    def __init__(self, engine: Engine, post: Callable[[Message], object]) -> None:
        self._engine = engine
        self._post = post
        self._containers: dict[str, Container] = {}
        self._changed: set[str] = set()
        self._dirty: set[str] = {"all", "image", "job"}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Read everything, then whatever the journal says has changed; ends only by cancellation."""
        self._wake.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._read())

    def refresh(self) -> None:
        """Read all lists again."""
        self._dirty |= {"all", "image", "job"}
        self._wake.set()

    async def _watch(self) -> None:
        """The journal, from a moment before the first list, so that nothing falls between the two."""
        since = time.time_ns() - _LOOK_BACK
        while True:
            try:
                async for event in self._engine.events(EventFilter(since=since)):
                    since = event.time
                    if event.type == "container":
                        self._changed.add(event.id)
                        # an image's row says how many containers use it
                        self._dirty |= {"container", "image"} if event.action in _COUNTED else {"container"}
                    else:
                        self._dirty.add(event.type)
                    self._wake.set()
            except (EngineError, OSError) as error:
                self._post(EngineFailed(error))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _read(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            dirty, self._dirty = self._dirty, set()
            changed, self._changed = self._changed, set()
            started = time.monotonic()
            try:
                await self._read_lists(dirty, changed)
            except (EngineError, OSError) as error:
                self._post(EngineFailed(error))
            # a slow list is read more rarely: at most a quarter of the time goes into reading
            await asyncio.sleep(max(_GAP_SECONDS, 3 * (time.monotonic() - started)))

    async def _read_lists(self, dirty: set[str], changed: set[str]) -> None:
        if "all" in dirty or len(changed) > _FEW:
            listed = await self._engine.containers.list(ContainerFilter(all=True))
            self._containers = {container.id: container for container in listed}
            self._post(ContainersListed(listed))
        elif "container" in dirty:
            await self._read_some(changed)
            self._post(ContainersListed(tuple(self._containers.values())))
        if "image" in dirty:
            self._post(ImagesListed(await self._engine.images.list(ImageFilter())))
        if "job" in dirty:
            self._post(JobsListed(tuple(await self._engine.jobs.list())))

    async def _read_some(self, changed: set[str]) -> None:
        for container_id in changed:
            try:
                self._containers[container_id] = await self._engine.containers.get(container_id)
            except NotFound:
                self._containers.pop(container_id, None)


async def follow_job(engine: Engine, job_id: str, post: Callable[[Message], object]) -> None:
    """Post a job's facts from its first one on, many at a time; ends with the job."""
    facts: list[ProgressFact] = []
    posted, held = time.monotonic(), None

    def flush() -> None:
        post(JobAdvanced(job_id, tuple(facts)))
        facts.clear()

    following = cast("AsyncGenerator[ProgressFact]", engine.jobs.follow(job_id))
    async with contextlib.aclosing(following):
        async for fact in following:
            facts.append(fact)
            now = time.monotonic()
            if held is not None:
                held.cancel()
            # steps begin and end at once for the eye, floods of output or bytes wait a moment for each other
            if not isinstance(fact, _FLOODS) or now - posted > _BATCH_SECONDS:
                flush()
                posted = now
                await asyncio.sleep(0)
            else:
                held = asyncio.get_running_loop().call_later(_BATCH_SECONDS, flush)
    if held is not None:
        held.cancel()
    flush()
