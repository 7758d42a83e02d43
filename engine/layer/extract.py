"""Owns unpacking one layer's tar stream into a directory, verified as it passes; runs in a worker.

Refuses to leave the directory, and to call it good before every byte was hashed and both digests agree.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from typing import TYPE_CHECKING, Any, Protocol, cast

from engine.errors import InvalidArchive
from engine.layer.compression import NONE, ZSTD, Decompressed
from engine.layer.place import Tree
from engine.layer.tar_reader import TarReader
from engine.layer.tree import raise_open_files, storage_errors
from engine.shim.worker import report

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 1 << 20
_REPORT_SECONDS = 0.2


def extract(arguments: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """Worker: unpack ``source`` (a path; None is ``fds[0]``) into the directory ``target``.

    ``target`` is made unless it exists. Optional: ``subject`` (what errors call it), ``digest`` of the
    raw bytes and ``diff_id`` of the tar, both checked; ``whiteouts`` False leaves .wh. names as they are.
    Returns ``{"diff_id", "digest", "size", "entries", "implied"}``: bytes of file content, how many
    names the layer has, and the directories that no entry described (see ``encode_names``).
    Raises InvalidArchive and StoreFailure; what is in ``target`` then is for the caller to remove.
    """
    source, target = arguments.get("source"), arguments["target"]
    subject = arguments.get("subject") or source or "standard input"
    raise_open_files()
    os.umask(0o022)
    with storage_errors(target):
        os.makedirs(target, mode=0o755, exist_ok=True)
    try:
        file = open(source if source is not None else os.dup(fds[0]), "rb", buffering=0)  # noqa: SIM115
    except OSError as error:
        raise InvalidArchive(subject, error.strerror or str(error)) from error
    with file:
        total = os.fstat(file.fileno()).st_size
        raw = Hashed(file, _progress(arguments.get("report_as"), total))
        result = unpack(raw, target, subject, whiteouts=arguments.get("whiteouts", True))
    for what in ("digest", "diff_id"):
        if arguments.get(what) and arguments[what] != result[what]:
            raise InvalidArchive(
                subject,
                f"its {what.replace('_', ' ')} is {result[what]}, but {arguments[what]} was expected",
                remedy="fetch or write the archive again",
            )
    return result


class Stream(Protocol):
    """What is unpacked: a raw stream that knows the digest of what was read of it."""

    def readinto(self, buffer: Any, /) -> int:
        """Fill ``buffer`` with what there is; 0 at the end."""

    def digest(self) -> str:
        """``sha256:<hex>``."""


def unpack(raw: Stream, target: str, subject: str, *, whiteouts: bool) -> dict[str, Any]:
    """Fill ``target`` from the stream; the fields are those of ``extract``."""
    outer = io.BufferedReader(cast("io.RawIOBase", raw), _CHUNK)
    decompressed = Decompressed(cast("Any", outer), subject)
    packed = decompressed.compression != NONE
    plain = Hashed(decompressed) if packed else raw
    reader = TarReader(cast("io.RawIOBase", plain) if packed else outer, subject)
    with storage_errors(target):
        tree = Tree(target, subject, whiteouts=whiteouts)
        try:
            for entry in reader:
                tree.put(entry, reader)
            reader.drain()
            while outer.read(_CHUNK):
                pass  # what a decompressor does not ask for belongs to the digest all the same
            tree.finish()
        finally:
            tree.close()
    if not reader.ended and decompressed.compression == ZSTD:
        # The decompressor does not tell a cut stream from a complete one; the end marks do.
        raise InvalidArchive(subject, "the archive is cut short", remedy="fetch or write the archive again")
    return {
        "diff_id": plain.digest(),
        "digest": raw.digest(),
        "size": tree.size,
        "entries": tree.count,
        "implied": encode_names(sorted(tree.implied)),
    }


class Hashed(io.RawIOBase):
    """A raw stream that keeps the SHA-256 of what was read through it."""

    def __init__(self, inner: io.RawIOBase, on_read: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self._inner = inner
        self._hasher = hashlib.sha256()
        self._on_read = on_read

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._inner.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        count = self._inner.readinto(buffer) or 0
        self._hasher.update(memoryview(buffer)[:count])
        if self._on_read is not None:
            self._on_read(count)
        return count

    def digest(self) -> str:
        """``sha256:<hex>`` of the bytes so far."""
        return f"sha256:{self._hasher.hexdigest()}"


def encode_names(paths: list[tuple[bytes, ...]]) -> list[str]:
    """Directory names as JSON can carry them whatever their bytes: one character a byte."""
    return [b"/".join(names).decode("latin-1") for names in paths]


def decode_names(paths: list[str]) -> list[tuple[bytes, ...]]:
    """The inverse of ``encode_names``."""
    return [tuple(path.encode("latin-1").split(b"/")) if path else () for path in paths]


def _progress(name: str | None, total: int) -> Callable[[int], None] | None:
    if not name:
        return None
    done, due = 0, 0.0

    def on_read(count: int) -> None:
        nonlocal done, due
        done += count
        now = time.monotonic()
        if now >= due:
            due = now + _REPORT_SECONDS
            report({"layer": name, "phase": "unpack", "done": done, "total": total})

    return on_read
