"""Owns the append-only journal of events that every process on one root writes and reads; refuses locks.

One event is one JSON line below 4096 bytes, written by one ``write`` on an ``O_APPEND`` descriptor, so
that lines of different processes never mix. A disk that filled up may leave a torn line: readers skip it.
The file is bounded: past ``ROTATE_AT`` bytes it is renamed to ``<path>.1``, replacing the one before.
Readers hold inodes, not names, so that a rotation neither repeats an event to them nor loses one.
"""

from __future__ import annotations

import fcntl
import os
import time
from functools import cache
from typing import TYPE_CHECKING, Self

import msgspec

from engine.events import Event
from engine.store.event_filter import check_filters, event_matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.options import EventFilter

LINE_LIMIT = 4096
ROTATE_AT = 1 << 20

_LINE_START = b'{"time":'
_READ_SIZE = 1 << 16
_VALUE_LIMITS = (1024, 256, 64, 0)
_encoder = msgspec.json.Encoder()


class Journal:
    """The journal at ``path``; holds no descriptor between calls."""

    def __init__(self, path: str) -> None:
        self._path = path

    def append(self, event: Event) -> bool:
        """Write ``event``; false if the disk refused it.

        A verb that has done its work is not failed for its news: least of all ``rm`` on a full disk.
        """
        line = encode_line(event)
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            written = os.write(descriptor, line)
            if os.fstat(descriptor).st_size > ROTATE_AT:
                self._rotate(descriptor)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return written == len(line)

    def read(self, wanted: EventFilter) -> JournalReader:
        """The events that pass ``wanted``, from the instant of this call on, as an async iterator.

        With ``since`` it begins with the past, as it does when it does not follow. It ends at ``until``,
        or with the last event on disk if ``follow`` is off.
        """
        check_filters(wanted)
        return JournalReader(self._path, wanted)

    def _rotate(self, descriptor: int) -> None:
        # Under the old file's own lock, and only if it still has the name: of several writers that see
        # it too long, one renames it and the others find it renamed.
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        if _inode(self._path) == os.fstat(descriptor).st_ino:
            os.rename(self._path, f"{self._path}.1")


class _Generation:
    """One file of the journal that a reader has open, and the bytes of its last, unfinished line."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.inode = os.fstat(descriptor).st_ino
        self._rest = b""

    def events(self) -> Iterator[Event]:
        """The events between the last position and the end of the file."""
        while data := os.read(self.descriptor, _READ_SIZE):
            *lines, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > LINE_LIMIT:
                self._rest = b""
            for line in lines:
                event = decode_line(line)
                if event is not None:
                    yield event

    def skip(self) -> None:
        os.lseek(self.descriptor, 0, os.SEEK_END)

    def close(self) -> None:
        os.close(self.descriptor)


class JournalReader:
    """An async iterator of events; ``aclose`` gives its descriptors back, as does dropping it."""

    def __init__(self, path: str, wanted: EventFilter) -> None:
        from engine.watch import Watch

        self._path = path
        self._wanted = wanted
        self._watch = Watch()
        self._generations: list[_Generation] = []
        self._over = False
        self._refresh()
        if wanted.follow and wanted.since is None:
            for generation in self._generations:
                generation.skip()
        self._events: Iterator[Event] = iter(())
        self._looked = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            for event in self._events:
                if event_matches(event, self._wanted):
                    return event
            if self._over or (self._looked and not await self._more()):
                await self.aclose()
                raise StopAsyncIteration
            self._looked = True
            self._events = iter(self._pending())

    def __del__(self) -> None:
        self._close()

    async def aclose(self) -> None:
        """Stop reading."""
        self._over = True
        self._close()

    def _pending(self) -> list[Event]:
        events = [event for generation in self._generations for event in generation.events()]
        if self._refresh():
            # The old file once more: a writer that had it open may have been late.
            events += [event for generation in self._generations for event in generation.events()]
        return events

    async def _more(self) -> bool:
        """Wait for a change; false when nothing that is wanted can come any more."""
        if not self._wanted.follow or not self._generations:
            return False
        if self._wanted.until is None:
            return await self._watch.changed()
        left = (self._wanted.until - time.time_ns()) / 1e9
        self._over = left <= 0 or not await self._watch.changed(left)
        return left > 0

    def _refresh(self) -> bool:
        """Open what the two names mean now and forget what is neither; whether anything was new."""
        names = (f"{self._path}.1", self._path)
        known = {generation.inode: generation for generation in self._generations}
        before = set(known)
        while True:
            inodes = [self._open(name, known, create=name == self._path) for name in names]
            if inodes == [_inode(name) for name in names]:
                break
        self._generations = [known.pop(inode) for inode in inodes if inode is not None]
        for generation in known.values():
            generation.close()
        return any(inode not in before for inode in inodes)

    def _open(self, name: str, known: dict[int, _Generation], *, create: bool) -> int | None:
        inode = _inode(name)
        if inode is not None and inode in known:
            return inode
        # The reader creates the file that a rotation took away: there is then always one to watch.
        flags = os.O_RDONLY | os.O_CLOEXEC | (os.O_CREAT if create else 0)
        try:
            generation = _Generation(os.open(name, flags, 0o600))
        except FileNotFoundError:
            return None
        if generation.inode in known:
            generation.close()
        else:
            self._watch.add_descriptor(generation.descriptor)
            known[generation.inode] = generation
        return generation.inode

    def _close(self) -> None:
        for generation in getattr(self, "_generations", ()):
            generation.close()
        self._generations = []
        if hasattr(self, "_watch"):
            self._watch.close()


def encode_line(event: Event) -> bytes:
    """``event`` as one line of at most ``LINE_LIMIT`` bytes; long attribute values are cut to fit."""
    line = _encoder.encode(event) + b"\n"
    for limit in _VALUE_LIMITS:
        if len(line) <= LINE_LIMIT:
            break
        shortened = {name[:64]: value[:limit] for name, value in event.attributes.items()}
        line = _encoder.encode(msgspec.structs.replace(event, attributes=shortened)) + b"\n"
    if len(line) > LINE_LIMIT:
        name = event.attributes.get("name", "")[:64]
        line = _encoder.encode(msgspec.structs.replace(event, attributes={"name": name})) + b"\n"
    return line


def decode_line(line: bytes) -> Event | None:
    """The event of one line, or None; a torn line before it on the same line is passed over."""
    try:
        return _decoder().decode(line[max(0, line.rfind(_LINE_START)) :])
    except msgspec.DecodeError:
        return None


@cache
def _decoder() -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(Event)


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None
