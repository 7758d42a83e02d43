"""Owns writing files with holes as GNU sparse entries, version 1.0; refuses to do so where nobody asked.

Used between two workers of the engine, where a file of a terabyte that holds a page must stay one. Archives
for people are dense, as Docker's. Source: GNU tar manual, "Storing Sparse Files".
"""

from __future__ import annotations

import errno
import os

from engine.layer.tar_pax import pax_record
from engine.layer.tar_writer import TreeTarWriter, entry
from engine.layer.tree import xattrs_of

_BLOCK = 512
_MOST_PIECES = 16384
"""More make a map that readers refuse; such a file is written whole."""


class SparseTarWriter(TreeTarWriter):
    """A TreeTarWriter that leaves holes out."""

    def _write_file(self, descriptor: int, size: int, path: bytes, status: os.stat_result) -> None:
        pieces = _pieces(descriptor, size) if status.st_blocks * _BLOCK < size else None
        if pieces is None:
            super()._write_file(descriptor, size, path, status)
            return
        text = b"".join(b"%d\n" % number for number in (len(pieces), *(n for piece in pieces for n in piece)))
        text += bytes(-len(text) % _BLOCK)
        held = sum(length for _, length in pieces)
        more = [
            pax_record("GNU.sparse.major", b"1"),
            pax_record("GNU.sparse.minor", b"0"),
            pax_record("GNU.sparse.name", path),
            pax_record("GNU.sparse.realsize", b"%d" % size),
        ]
        stored = len(text) + held
        self._out.write(entry(path, b"0", status, size=stored, xattrs=xattrs_of(descriptor), more=more))
        self._out.write(text)
        for offset, length in pieces:
            os.lseek(descriptor, offset, os.SEEK_SET)
            self._copy_bytes(descriptor, length)
        self._out.write(bytes(-stored % _BLOCK))


def _pieces(descriptor: int, size: int) -> list[tuple[int, int]] | None:
    """(offset, length) of what the file holds; None if it is in too many pieces, or cannot be asked."""
    pieces: list[tuple[int, int]] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
            end = min(size, os.lseek(descriptor, start, os.SEEK_HOLE))
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            os.lseek(descriptor, 0, os.SEEK_SET)
            return None
        if end <= start or len(pieces) >= _MOST_PIECES:
            os.lseek(descriptor, 0, os.SEEK_SET)
            return None
        pieces.append((start, end - start))
        at = end
    return pieces
