"""Owns the verbs of jobs: work that goes on in a session of its own when its starter has left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tuidock.cli import diagnostics, listing
from tuidock.cli.command import Command, Invocation
from tuidock.cli.commands.each import each
from tuidock.cli.flags import switch, text
from tuidock.cli.progress import reporting
from tuidock.cli.units import ago, human_duration, local_time

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Job

_TITLE_WIDTH = 40
_LAYOUT = listing.Layout(
    titles={
        "ID": "JOB ID",
        "Verb": "VERB",
        "Title": "TITLE",
        "Status": "STATUS",
        "CreatedSince": "CREATED",
        "CreatedAt": "CREATED AT",
        "Duration": "DURATION",
        "Error": "ERROR",
        "Image": "IMAGE ID",
    },
    columns=("ID", "Verb", "Title", "CreatedSince", "Status", "Duration"),
    quiet="ID",
)


def _row(job: Job, now: int, *, truncate: bool) -> dict[str, Any]:
    return {
        "ID": job.id,
        "Verb": job.verb,
        "Title": listing.shortened(job.title, _TITLE_WIDTH) if truncate else job.title,
        "Status": job.status,
        "CreatedSince": ago(job.started_at, now),
        "CreatedAt": local_time(job.started_at),
        "Duration": human_duration((job.finished_at or now) - job.started_at),
        "Error": job.error,
        "Image": job.image_id,
    }


async def _list(engine: Engine, invocation: Invocation) -> int:
    now, truncate = time.time_ns(), not invocation.switch("no-trunc")
    rows = [_row(job, now, truncate=truncate) for job in await engine.jobs.list()]
    listing.show(rows, _LAYOUT, invocation.text("format"), quiet=invocation.switch("quiet"))
    return 0


async def _follow(engine: Engine, invocation: Invocation) -> int:
    name = invocation.arguments[0]
    async with reporting(invocation.text("progress")) as progress:
        async for fact in engine.jobs.follow(name):
            progress(fact)
    job = await engine.jobs.get(name)
    if job.status in {"done", "running"}:
        return 0
    return diagnostics.problem(job.error or f"{job.verb} {job.title}: {job.status}")


async def _cancel(engine: Engine, invocation: Invocation) -> int:
    return await each(invocation.arguments, engine.jobs.cancel)


async def _remove(engine: Engine, invocation: Invocation) -> int:
    return await each(invocation.arguments, engine.jobs.remove)


def _kind(value: str) -> str:
    if value not in {"auto", "plain", "tty"}:
        raise ValueError("must be auto, plain or tty")
    return value


def _check(invocation: Invocation) -> None:
    listing.check_format(invocation.text("format"))


LIST = Command(
    usage="[OPTIONS]",
    run=_list,
    flags=(
        listing.format_flag(),
        switch("no-trunc", "Don't truncate output"),
        switch("quiet", "Only display job IDs", "q"),
    ),
    check=_check,
)
FOLLOW = Command(
    usage="[OPTIONS] JOB",
    run=_follow,
    flags=(
        text(
            "progress",
            "Set type of progress output (auto, plain, tty)",
            default="auto",
            convert=_kind,
        ),
    ),
    fewest=1,
    most=1,
)
CANCEL = Command(usage="JOB [JOB...]", run=_cancel, fewest=1, most=None)
REMOVE = Command(usage="JOB [JOB...]", run=_remove, fewest=1, most=None)
