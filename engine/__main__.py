"""Owns what a job's process does, ``python -m engine ROOT RUN JOB``; refuses to be called by people.

Its other half, which starts it, is ``engine.jobs``. All that it has to say goes into the job's folder:
its standard streams are on the null device.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING

import msgspec

from engine.engine import Engine
from engine.errors import EngineError, InvalidInput
from engine.events import Event, Message
from engine.jobs import VERBS, start_time
from engine.options import (
    BootstrapOptions,
    BuildOptions,
    LoadOptions,
    PruneOptions,
    PullOptions,
    PushOptions,
    SaveOptions,
)
from engine.paths import Paths
from engine.records import BuildResult, Job, Pruned
from engine.store.job_progress import ProgressWriter
from engine.store.job_records import JobFolder, JobProcess, JobRequest
from engine.store.journal import Journal

if TYPE_CHECKING:
    from engine.events import Progress
    from engine.options import Options

_USAGE = 2


def main() -> int:
    """Do the job that the arguments name; 0 if it is done, 1 if it failed or was cancelled."""
    if len(sys.argv) != len(("engine", "ROOT", "RUN", "JOB")):
        sys.stderr.write("This is the inside of a job. The command is: tuidock\n")
        return _USAGE
    root, run, job_id = sys.argv[1:]
    return asyncio.run(_main(Paths(root=root, run=run), job_id))


async def _main(paths: Paths, job_id: str) -> int:
    folder, journal = JobFolder(paths.job(job_id)), Journal(paths.events)
    request = folder.request()
    progress = ProgressWriter(folder.progress)
    lock = folder.lock()
    try:
        work = asyncio.ensure_future(_work(paths, request, progress))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
        # Only now can it be cancelled, and only now does its starter let go of the lock.
        folder.put_process(JobProcess(pid=os.getpid(), start_time=start_time(os.getpid())))
        journal.append(_event(request, "start"))
        job = await _outcome(work, request, progress)
        progress.close()
        folder.put_result(job)
    finally:
        os.close(lock)
    journal.append(_event(request, job.status))
    return 0 if job.status == "done" else 1


async def _outcome(work: asyncio.Future[str], request: JobRequest, progress: Progress) -> Job:
    """Wait for the work and say how it ended."""
    status, error, remedy, image_id = "done", "", "", ""
    try:
        image_id = await work
    except asyncio.CancelledError:
        status, error = "cancelled", "cancelled"
    except EngineError as failure:
        status, error, remedy = "failed", str(failure), failure.remedy
    except Exception as failure:  # noqa: BLE001 - nobody above would see it: the record must
        status, error = "failed", f"{type(failure).__name__}: {failure}"
        progress(Message(text="".join(traceback.format_exception(failure))))
    return Job(
        id=request.id,
        verb=request.verb,
        title=request.title,
        status=status,
        started_at=request.started_at,
        finished_at=time.time_ns(),
        error=error,
        remedy=remedy,
        image_id=image_id,
    )


async def _work(paths: Paths, request: JobRequest, progress: Progress) -> str:
    """Do the verb; the id of the image that came out, if one did."""
    options = msgspec.json.decode(request.options, type=VERBS[request.verb])
    engine = await Engine.open(paths)
    try:
        result = await _perform(engine, options, progress)
    finally:
        await engine.close()
    if isinstance(result, BuildResult):
        return result.image_id
    if isinstance(result, Pruned):
        progress(Message(text=f"Removed {len(result.removed)}, reclaimed {result.reclaimed} bytes"))
        return ""
    return result


async def _perform(engine: Engine, options: Options, progress: Progress) -> BuildResult | Pruned | str:
    if isinstance(options, BuildOptions):
        return await engine.builds.build(options, progress)
    if isinstance(options, PruneOptions):
        return await _prune(engine, options)
    return await _move(engine, options, progress)


async def _move(engine: Engine, options: Options, progress: Progress) -> str:
    """Bring images in or out; the id of the last that came in."""
    if isinstance(options, BootstrapOptions):
        return (await engine.images.bootstrap(options, progress)).id
    if isinstance(options, LoadOptions):
        return (await engine.images.load(options, progress))[-1].id
    if isinstance(options, PullOptions):
        pulled = await engine.images.pull(options, progress)
        return pulled[-1].image_id if pulled else ""  # a repository may have no tags left
    if isinstance(options, PushOptions):
        await engine.images.push(options, progress)
    elif isinstance(options, SaveOptions):
        await engine.images.save(options, progress)
    else:
        raise InvalidInput("job", f"{type(options).__name__} is none that a job can do")
    return ""


async def _prune(engine: Engine, options: PruneOptions) -> Pruned:
    """Everything unused, in the order that lets go of what comes next: containers first, caches last."""
    parts = [await engine.containers.prune(options)]
    if options.volumes:
        parts.append(await engine.volumes.prune(options))
    parts.append(await engine.images.prune(options))
    parts.append(await engine.builds.prune(options))
    return Pruned(
        removed=tuple(name for part in parts for name in part.removed),
        reclaimed=sum(part.reclaimed for part in parts),
    )


def _event(request: JobRequest, action: str) -> Event:
    attributes = {"name": request.title, "verb": request.verb}
    return Event(time=time.time_ns(), type="job", action=action, id=request.id, attributes=attributes)


if __name__ == "__main__":
    sys.exit(main())
