"""Owns the folder of one job on disk: what was asked, who does it, how far it is, how it ended.

``record.json`` is what was asked, ``process.json`` the process that does it, ``progress.jsonl`` its
facts, ``result.json`` the end. Files appear whole, by rename. ``lock`` is held (an open file description
lock, see fcntl(2)) first by who starts the job and then by the job: no lock and no result is a job that
was killed. Refuses to start, signal or wait for anything.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import struct
import time

import msgspec

from engine.errors import NotFound, StoreFailure
from engine.records import Job, Record

_INTERRUPTED = "interrupted: its process ended without a result"
_FLOCK = struct.Struct("hhqqi4x")
"""``struct flock`` of 64-bit Linux: type, whence, start, length, pid."""


class JobRequest(Record, frozen=True, kw_only=True):
    """What was asked: ``options`` is the JSON of the verb's options value."""

    id: str
    verb: str
    title: str
    started_at: int
    options: msgspec.Raw


class JobProcess(Record, frozen=True, kw_only=True):
    """Who does it; ``start_time`` is field 22 of /proc/PID/stat."""

    pid: int
    start_time: int


class JobFolder:
    """One job's folder at ``path``; nothing is held open."""

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def progress(self) -> str:
        return f"{self.path}/progress.jsonl"

    def create(self, request: JobRequest) -> None:
        """Make the folder; the record comes last, so that who lists jobs sees a whole one or none."""
        try:
            os.makedirs(self.path, mode=0o700)
            with open(self.progress, "xb"), open(f"{self.path}/lock", "xb"):
                pass
            self._put("record.json", request)
        except OSError as error:
            shutil.rmtree(self.path, ignore_errors=True)
            raise StoreFailure(
                self.path,
                os.strerror(error.errno or 0),
                remedy="check free space and permissions of the root",
            ) from error

    def request(self) -> JobRequest:
        """What was asked; NotFound if there is no such job."""
        content = self._read("record.json")
        if content is None:
            raise NotFound("job", os.path.basename(self.path))
        return msgspec.json.decode(content, type=JobRequest)

    def put_process(self, process: JobProcess) -> None:
        """Say who does the work; written by the job once it can be signalled."""
        self._put("process.json", process)

    def process(self) -> JobProcess | None:
        """Who does the work, or None if it has not begun."""
        content = self._read("process.json")
        return None if content is None else msgspec.json.decode(content, type=JobProcess)

    def put_result(self, job: Job) -> None:
        """Write the end; whatever stood there before gives way."""
        self._put("result.json", job)

    def job(self) -> Job:
        """The job as it stands now; one that was killed is failed."""
        request = self.request()
        # The lock is asked before the result: a job that ends in between has written its result by then.
        alive = self.locked()
        content = self._read("result.json")
        if content is not None:
            return msgspec.json.decode(content, type=Job)
        job = Job(
            id=request.id,
            verb=request.verb,
            title=request.title,
            status="running",
            started_at=request.started_at,
        )
        if alive:
            return job
        return msgspec.structs.replace(
            job, status="failed", error=_INTERRUPTED, finished_at=self._last_sign_of_life()
        )

    def lock(self) -> int:
        """A descriptor that holds the job's lock, shared, until it is closed."""
        descriptor = os.open(f"{self.path}/lock", os.O_RDWR | os.O_CLOEXEC)
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
        return descriptor

    def locked(self) -> bool:
        """Whether somebody holds the lock; asking takes nothing."""
        try:
            descriptor = os.open(f"{self.path}/lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, wanted)
        finally:
            os.close(descriptor)
        return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK)

    def remove(self) -> None:
        """Delete the folder; the record goes first, so that nobody lists half a job."""
        try:
            os.unlink(f"{self.path}/record.json")
        except FileNotFoundError as error:
            raise NotFound("job", os.path.basename(self.path)) from error
        shutil.rmtree(self.path, ignore_errors=True)

    def _last_sign_of_life(self) -> int:
        try:
            return os.stat(self.progress).st_mtime_ns
        except FileNotFoundError:
            return time.time_ns()

    def _read(self, name: str) -> bytes | None:
        try:
            with open(f"{self.path}/{name}", "rb") as file:
                return file.read()
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR}:
                return None
            raise StoreFailure(f"{self.path}/{name}", os.strerror(error.errno or 0)) from error

    def _put(self, name: str, value: Record) -> None:
        temporary = f"{self.path}/.{name}.{os.getpid()}"
        with open(temporary, "wb") as file:
            file.write(msgspec.json.encode(value))
        os.rename(temporary, f"{self.path}/{name}")
