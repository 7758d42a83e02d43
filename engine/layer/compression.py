"""Owns compression of streams: seen by content, undone, applied; refuses to know what is inside."""

from __future__ import annotations

import io
import os
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from engine.errors import InvalidArchive, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

GZIP, ZSTD, XZ, BZIP2, NONE = "gzip", "zstd", "xz", "bzip2", "none"
_MAGIC = {b"\x1f\x8b": GZIP, b"\x28\xb5\x2f\xfd": ZSTD, b"\xfd7zXZ\x00": XZ, b"BZh": BZIP2}
_SKIPPABLE, _SKIPPABLE_KIND = b"\x2a\x4d\x18", 5
_LONGEST_MAGIC = 6
_CHUNK = 1 << 20
_GZIP_LEVEL = 1
_ZSTD_LEVEL = 3


def compression_of(beginning: bytes) -> str:
    """The compression that the first bytes of a stream show; ``none`` if they show none."""
    for magic, name in _MAGIC.items():
        if beginning.startswith(magic):
            return name
    # A frame for somebody else may come first (RFC 8878, 3.1.2); decompressors pass it over.
    return ZSTD if beginning[1:4] == _SKIPPABLE and beginning[0] >> 4 == _SKIPPABLE_KIND else NONE


class Decompressed(io.RawIOBase):
    """The plain bytes of ``raw``, whatever its compression; corruption raises InvalidArchive.

    ``raw`` need not be seekable; it is not closed with this stream.
    """

    def __init__(self, raw: BinaryIO, subject: str) -> None:
        super().__init__()
        self._subject = subject
        buffered = io.BufferedReader(cast("io.RawIOBase", raw), _CHUNK) if _unpeekable(raw) else raw
        self.compression = compression_of(cast("io.BufferedReader", buffered).peek(_LONGEST_MAGIC))
        self._plain = _decompressor(self.compression)(cast("io.BufferedReader", buffered))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        try:
            return cast("io.RawIOBase", self._plain).readinto(buffer) or 0  # type: ignore[arg-type]
        except _corruption_errors(self.compression) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise InvalidArchive(
                self._subject, f"{self.compression} data is corrupt or cut short: {error}"
            ) from error


def decompressed(raw: BinaryIO, subject: str) -> io.BufferedReader:
    """A buffered reader of the plain bytes of ``raw``; errors name ``subject``."""
    return io.BufferedReader(Decompressed(raw, subject), _CHUNK)


def compressed(out: BinaryIO, compression: str) -> BinaryIO:
    """A writer whose bytes reach ``out`` compressed, the same for the same input; close it to finish."""
    if compression == NONE:
        return cast("BinaryIO", io.BufferedWriter(io.FileIO(os.dup(out.fileno()), "wb"), _CHUNK))
    if compression == GZIP:
        from isal import igzip

        return cast("BinaryIO", igzip.IGzipFile(fileobj=out, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0))
    if compression == ZSTD:
        import zstandard

        compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        return cast("BinaryIO", compressor.stream_writer(out, closefd=False))
    raise InvalidInput("compression", f"{compression!r} is not none, gzip or zstd")


def _unpeekable(raw: BinaryIO) -> bool:
    return not hasattr(raw, "peek")


def _decompressor(compression: str) -> Callable[[io.BufferedReader], object]:
    if compression == GZIP:
        from isal import igzip

        return lambda raw: igzip.IGzipFile(fileobj=raw, mode="rb")
    if compression == ZSTD:
        import zstandard

        return lambda raw: zstandard.ZstdDecompressor().stream_reader(
            raw, read_across_frames=True, closefd=False
        )
    if compression == XZ:
        import lzma

        return lzma.LZMAFile
    if compression == BZIP2:
        import bz2

        return bz2.BZ2File
    return lambda raw: raw


def _corruption_errors(compression: str) -> tuple[type[Exception], ...]:
    if compression == GZIP:
        from gzip import BadGzipFile

        from isal import isal_zlib

        return (cast("type[Exception]", isal_zlib.error), zlib.error, EOFError, BadGzipFile)
    if compression == ZSTD:
        import zstandard

        return (zstandard.ZstdError,)
    if compression == XZ:
        import lzma

        return (lzma.LZMAError, EOFError)
    # BZ2File says so by an OSError, which is also how a disk or a registry fails below: those have an errno.
    return (EOFError, OSError) if compression == BZIP2 else ()
