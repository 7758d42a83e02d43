"""Owns bringing one layer here: fetched, kept, verified and unpacked in one pass; in a worker.

What has come is kept beside (``part``) until it is complete, so that the next attempt, of this process or
after a kill, goes on by Range. Whoever else wants the same layer waits for its lock and takes it from there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import InvalidArchive, RegistryError
from engine.layer.extract import Hashed, unpack
from engine.layer.tree import raise_open_files, remove, storage_errors
from engine.oci import digest as digests
from engine.oci.manifest import Descriptor
from engine.registry import retry
from engine.registry.client import Client, Session
from engine.shim.worker import report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.registry.connection import Response

_CHUNK = 1 << 18
_REPORT_SECONDS = 0.1
_DAMAGED = "pull again; if it stays, the registry's copy is damaged"
_PARTING_SECONDS = 1.0
_PARTIAL, _UNSATISFIABLE = 206, 416


class Request(msgspec.Struct):
    """``part`` is where it is kept while it comes, ``blob`` where it is found when it is complete."""

    session: Session
    descriptor: Descriptor
    diff_id: str
    part: str
    blob: str
    target: str


def fetch_layer(arguments: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
    """Worker: the result of ``engine.layer.extract.extract`` for a layer of a registry, as ``Request``."""
    request = msgspec.convert(arguments, Request)
    raise_open_files()
    os.umask(0o022)
    with storage_errors(request.part), _locked(f"{request.part}.lock"):
        if os.path.exists(request.blob):
            with contextlib.suppress(InvalidArchive):
                return _unpacked(request, Hashed(open(request.blob, "rb", buffering=0)))
            _clear(request.target)  # what lies here is damaged: it is fetched again
        begun = _size(request.part)
        try:
            result = _fetched(request)
        except InvalidArchive:
            if not begun:
                raise
            # What an earlier pull left may be what is damaged: a loss of power leaves zeros.
            _clear(request.target)
            result = _fetched(request)
        os.makedirs(os.path.dirname(request.blob), mode=0o700, exist_ok=True)
        os.rename(request.part, request.blob)
        _sync(os.path.dirname(request.blob))
        return result


def _fetched(request: Request) -> dict[str, Any]:
    _require_space(request)
    try:
        return _unpacked(request, _Fetched(request))
    except InvalidArchive:
        _drop(request.part)  # what is kept of it is wrong
        raise


def _require_space(request: Request) -> None:
    """Refuse at once what cannot fit: the layer as it comes, beside what there is of it."""
    disk = os.statvfs(os.path.dirname(request.part))
    if request.descriptor.size - _size(request.part) > disk.f_bavail * disk.f_frsize:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), request.part)


def _unpacked(request: Request, source: Hashed | _Fetched) -> dict[str, Any]:
    subject = f"layer {request.descriptor.digest}"
    os.makedirs(request.target, mode=0o755, exist_ok=True)
    with source:
        result = unpack(source, request.target, subject, whiteouts=True)
    for what, expected in (("digest", request.descriptor.digest), ("diff_id", request.diff_id)):
        if result[what] != expected:
            reason = f"its {what.replace('_', ' ')} is {result[what]}, but {expected} was expected"
            raise InvalidArchive(subject, reason, remedy=_DAMAGED)
    return result


class _Fetched(io.RawIOBase):
    """The layer's bytes: those kept from before, then those that come; a thread fetches ahead.

    They pass through the file that keeps them: the thread hashes and appends, the reader follows it, and what
    lies between the two, however much, is in no process's memory.
    """

    def __init__(self, request: Request) -> None:
        super().__init__()
        self._request = request
        self._hasher = hashlib.sha256()
        self._fetched = 0
        self._position = 0
        self._ended = False
        self._failure: BaseException | None = None
        self._stopped = False
        self._more = threading.Condition()
        self._file = open(request.part, "a+b", buffering=0)  # noqa: SIM115 - closed in close
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._position == self._fetched:
            with self._more:
                self._more.wait_for(lambda: self._ended or self._position < self._fetched)
            if self._position == self._fetched and self._failure is not None:
                raise self._failure
        length = min(len(buffer), self._fetched - self._position)
        count = os.preadv(self._file.fileno(), [memoryview(buffer)[:length]], self._position)
        self._position += count
        return count

    def digest(self) -> str:
        """``sha256:<hex>`` of all of it, when it was read to its end."""
        return f"sha256:{self._hasher.hexdigest()}"

    def close(self) -> None:
        self._stopped = True
        self._thread.join(_PARTING_SECONDS)
        if not self._thread.is_alive():  # else it waits for the registry, and ends with this process
            self._file.close()
        super().close()

    def _fill(self) -> None:
        try:
            told = _Told(self._request)
            for chunk in self._all():
                if self._stopped:
                    return
                self._hasher.update(chunk)
                with self._more:
                    self._fetched += len(chunk)
                    self._more.notify()
                told(self._fetched)
            os.fsync(self._file.fileno())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is read
            self._failure = error
        finally:
            with self._more:
                self._ended = True
                self._more.notify()

    def _all(self) -> Iterator[memoryview]:
        """Every piece, in the file already; good until the next is asked for."""
        size = self._request.descriptor.size
        buffer = memoryview(bytearray(_CHUNK))
        done = 0
        while count := os.preadv(self._file.fileno(), [buffer], done):
            done += count
            yield buffer[:count]
        client = Client(self._request.session)
        attempt = 0
        try:
            while done < size:
                attempt += 1
                before = done
                response = self._asked(client, done)
                try:
                    for chunk in self._from(response, done, buffer):
                        if self._stopped:
                            return
                        self._write(chunk)
                        done += len(chunk)
                        yield chunk
                    self._require_all(done)
                except RegistryError as error:
                    attempt = 0 if done > before else attempt
                    wait = retry.pause(max(attempt, 1))
                    if not error.temporary or wait is None:
                        raise
                    response.close()
                    time.sleep(wait)
        finally:
            client.close()

    def _write(self, chunk: memoryview) -> None:
        """All of it: a disk that is nearly full takes a part and says nothing."""
        while chunk:
            chunk = chunk[self._file.write(chunk) or 0 :]

    def _require_all(self, done: int) -> None:
        size = self._request.descriptor.size
        if done < size:
            reason = f"the layer ended after {done} of {size} bytes"
            raise RegistryError(reason, code="SHORT", temporary=True)

    def _asked(self, client: Client, done: int) -> Response:
        """The answer with what follows the first ``done`` bytes, or with all."""
        descriptor = self._request.descriptor
        path = f"blobs/{digests.check(descriptor.digest)}"
        try:
            return client.send("GET", path, {"Range": f"bytes={done}-"} if done else {})
        except RegistryError as error:
            if error.code != str(_UNSATISFIABLE):
                raise
            reason = f"layer {descriptor.digest}: {done} bytes came, and the registry has no more of it"
            remedy = f"its manifest promises {descriptor.size}; push the image again"
            raise RegistryError(reason, code="SHORT", temporary=False, remedy=remedy) from error

    def _from(self, response: Response, done: int, buffer: memoryview) -> Iterator[memoryview]:
        """What follows the first ``done`` bytes; a registry that knows no Range sends all again."""
        skip = _offset(response, done)
        left = self._request.descriptor.size - done
        while left:
            count = response.readinto(buffer)
            if not count:
                return
            passed = min(skip, count)
            skip -= passed
            chunk = buffer[passed:count][:left]
            left -= len(chunk)
            if chunk:
                yield chunk


def _offset(response: Response, done: int) -> int:
    """How many bytes that are here the answer to a Range from ``done`` begins with."""
    if not done or response.status != _PARTIAL:
        return done
    told = response.headers.get("Content-Range", f"bytes {done}-").strip()
    first = told.removeprefix("bytes").strip().partition("-")[0]
    if not first.isdecimal() or int(first) > done:
        reason = f"asked for what follows byte {done}, it sent {told[:80]!r}"
        raise RegistryError(reason, code="RANGE", temporary=False)
    return done - int(first)


class _Told:
    """Progress to whoever asked for the work, not more often than it is looked at."""

    def __init__(self, request: Request) -> None:
        self._layer, self._total = request.descriptor.digest, request.descriptor.size
        self._due = 0.0

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _REPORT_SECONDS
            report({"layer": self._layer, "phase": "download", "done": done, "total": self._total})


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_named(descriptor, path):  # a sweep may have taken it away while it was waited for
                yield
                return
        finally:
            os.close(descriptor)


def _is_named(descriptor: int, path: str) -> bool:
    try:
        held, named = os.fstat(descriptor), os.stat(path)
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _clear(target: str) -> None:
    """Take away what was unpacked before it was found to be wrong."""
    if os.path.lexists(target):
        remove({"paths": [target]}, [])


def _drop(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
