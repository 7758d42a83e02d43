"""Owns long work in sessions of their own: start, list, follow, cancel; refuses to do the work itself.

A job is a process (``python -m engine``) that a closed line or a killed front end does not reach. All
that is known of it is on disk: see ``engine.store.job_records``. ``engine.__main__`` is its other half.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from engine import loop
from engine.errors import Conflict, InvalidInput, NotFound, RuntimeFailure
from engine.options import (
    BootstrapOptions,
    BuildOptions,
    LoadOptions,
    Options,
    PruneOptions,
    PullOptions,
    PushOptions,
    SaveOptions,
)
from engine.runtime.cgroups import read_host, session_procs
from engine.store.job_progress import ProgressReader
from engine.store.job_records import JobFolder, JobProcess, JobRequest
from engine.watch import FILE_CHANGES, FOLDER_CHANGES, Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from engine.events import ProgressFact
    from engine.paths import Paths
    from engine.records import Job
    from engine.runtime.launcher import Launcher

VERBS: dict[str, type[Options]] = {
    "build": BuildOptions,
    "bootstrap": BootstrapOptions,
    "pull": PullOptions,
    "push": PushOptions,
    "load": LoadOptions,
    "save": SaveOptions,
    "prune": PruneOptions,
}
"""What a job can do, and the options value that each takes."""

_KEPT = 50
_START_SECONDS = 30.0
_CANCEL_SECONDS = 10.0
_PATHS = ("context", "dockerfile", "path")
_DESCRIPTORS = ("context_fd", "fd")


class Jobs:
    """The jobs of one root, whoever started them."""

    def __init__(self, paths: Paths, launcher: Launcher) -> None:
        self._paths = paths
        self._launcher = launcher

    async def start(self, verb: str, options: Options, title: str) -> Job:
        """Start ``verb`` with ``options`` in a session of its own; returns once it has begun.

        Paths in ``options`` are taken relative to the caller's folder, as the verb itself would.
        """
        request = JobRequest(
            id=os.urandom(6).hex(),
            verb=verb,
            title=title,
            started_at=time.time_ns(),
            options=msgspec.Raw(msgspec.json.encode(_portable(verb, options))),
        )
        self._prune()
        folder = JobFolder(self._paths.job(request.id))
        folder.create(request)
        lock = folder.lock()
        try:
            with Watch() as watch:
                watch.add(folder.path, FOLDER_CHANGES)
                procs = _own_cgroup()
                pid, start_time = await self._launcher.session(*self._command(request.id), procs)
                await _begun(watch, folder, JobProcess(pid=pid, start_time=start_time))
        finally:
            os.close(lock)
        return folder.job()

    async def list(self) -> tuple[Job, ...]:
        """All jobs, the newest first."""
        return self._all()

    async def get(self, job_id: str) -> Job:
        """The job with that id, or whose id alone begins so."""
        return self._folder(job_id).job()

    async def follow(self, job_id: str) -> AsyncIterator[ProgressFact]:
        """The job's facts from its start on; ends when the job has ended."""
        folder = self._folder(job_id)
        reader = ProgressReader(folder.progress)
        try:
            with Watch() as watch:
                watch.add(folder.progress, FILE_CHANGES)
                while True:
                    # Asked before reading: what was written before the end is read after it.
                    over = not folder.locked()
                    for fact in reader.facts():
                        yield fact
                    if over:
                        return
                    await _changed_or_ended(watch, folder)
        finally:
            reader.close()

    async def result(self, job_id: str) -> Job:
        """The job once it has ended, however it did."""
        folder = self._folder(job_id)
        with Watch() as watch:
            watch.add(folder.path, FOLDER_CHANGES)
            while folder.locked():
                await _changed_or_ended(watch, folder)
        return folder.job()

    async def cancel(self, job_id: str) -> None:
        """Ask the job to stop and clean up, wait for it, and kill it if it does not.

        Conflict if it has ended already. Killing is safe: half-made things are swept at the next open.
        """
        folder = self._folder(job_id)
        job = folder.job()
        process = folder.process()
        if job.status != "running" or process is None or not _signal(process, signal.SIGTERM):
            raise Conflict("job", job.id, f"job {job.id} is not running: it is {folder.job().status}")
        await loop.begin()
        try:
            await asyncio.wait_for(self.result(job.id), _CANCEL_SECONDS)
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await self.result(job.id)

    async def remove(self, job_id: str) -> None:
        """Forget a job that has ended."""
        folder = self._folder(job_id)
        job = folder.job()
        if job.status == "running":
            raise Conflict("job", job.id, f"job {job.id} is running", remedy="cancel it first")
        folder.remove()

    def _all(self) -> tuple[Job, ...]:
        jobs = []
        for name in self._names():
            try:
                jobs.append(JobFolder(self._paths.job(name)).job())
            except NotFound:
                continue  # it is being made, or removed, just now
        return tuple(sorted(jobs, key=lambda job: (-job.started_at, job.id)))

    def _names(self) -> tuple[str, ...]:
        try:
            return tuple(os.listdir(self._paths.jobs))
        except FileNotFoundError:
            return ()

    def _folder(self, reference: str) -> JobFolder:
        names = [name for name in self._names() if reference and name.startswith(reference)]
        if reference in names:
            names = [reference]
        if len(names) > 1:
            raise InvalidInput("job", f"{reference} is ambiguous: {', '.join(sorted(names))}")
        if not names:
            raise NotFound("job", reference, remedy="tuidock jobs lists them")
        return JobFolder(self._paths.job(names[0]))

    def _prune(self) -> None:
        ended = [job for job in self._all() if job.status != "running"]
        for job in ended[_KEPT - 1 :]:
            try:
                JobFolder(self._paths.job(job.id)).remove()
            except NotFound:
                continue  # another process prunes too

    def _command(self, job_id: str) -> tuple[Sequence[str], dict[str, str], str]:
        # -P: a folder called engine where the user stands is not the engine. The job stands in the root
        # folder, so that it keeps no file system of the user's busy.
        package_root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        search = [package_root, *filter(None, [os.environ.get("PYTHONPATH")])]
        argv = [sys.executable, "-P", "-m", "engine", self._paths.root, self._paths.run, job_id]
        return argv, {**os.environ, "PYTHONPATH": os.pathsep.join(search)}, "/"


def _own_cgroup() -> tuple[str, ...]:
    """The files by which a job leaves its caller's control groups: a session's scope may be killed whole."""
    folders, files = session_procs(read_host())
    for folder in folders:
        with contextlib.suppress(OSError):
            os.mkdir(folder)
    return tuple(path for path in files if os.access(path, os.W_OK))


def _portable(verb: str, options: Options) -> Options:
    """``options`` with absolute paths; InvalidInput if they cannot be handed to another process."""
    expected = VERBS.get(verb)
    if expected is None or not isinstance(options, expected):
        raise InvalidInput("job", f"{verb} with {type(options).__name__} is no job")
    if any(getattr(options, name, None) is not None for name in _DESCRIPTORS):
        raise InvalidInput(
            "job", "a job cannot read a stream of its caller", remedy="give the path of a file"
        )
    changes = {
        name: os.path.abspath(value)
        for name in _PATHS
        if isinstance(value := getattr(options, name, None), str)
    }
    return msgspec.structs.replace(options, **changes)


async def _begun(watch: Watch, folder: JobFolder, process: JobProcess) -> None:
    """Wait until the job holds its own lock and can be signalled, or has ended already."""
    deadline = time.monotonic() + _START_SECONDS
    while folder.process() is None:
        descriptor = _pidfd(process)
        try:
            if descriptor is not None and time.monotonic() < deadline:
                await watch.changed(deadline - time.monotonic(), process=descriptor)
                continue
        finally:
            if descriptor is not None:
                os.close(descriptor)
        if folder.process() is None:
            _signal(process, signal.SIGKILL)
            folder.remove()
            raise RuntimeFailure("start job", reason=f"process {process.pid} did not begin its work")


async def _changed_or_ended(watch: Watch, folder: JobFolder) -> None:
    """Wait for a change in what is watched, or for the end of the job's process (a kill changes no file)."""
    process = folder.process()
    descriptor = None if process is None else _pidfd(process)
    if descriptor is None:
        # It has just ended, or just begins and will write its process file: look again presently.
        await watch.changed(0.05)
        return
    try:
        await watch.changed(process=descriptor)
    finally:
        os.close(descriptor)


def _signal(process: JobProcess, number: signal.Signals) -> bool:
    """Send a signal to that very process; false if it is gone."""
    descriptor = _pidfd(process)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def _pidfd(process: JobProcess) -> int | None:
    """A descriptor of that very process, not of a later one with its pid; None if it is gone."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    if start_time(process.pid) == process.start_time:
        return descriptor
    os.close(descriptor)
    return None


def start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat, see proc(5); 0 if there is no such process, or only its zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] in {b"Z", b"X"} else int(fields[19])
