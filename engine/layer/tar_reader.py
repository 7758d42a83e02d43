"""Owns reading a tar stream entry by entry; refuses to guess at damage and to hold more than a header.

All dialects of layers are read: V7, USTAR, GNU (long names, sparse, base-256 numbers) and PAX (with
SCHILY.xattr and GNU.sparse 0.0, 0.1 and 1.0). The standard library's reader takes a broken header in the
middle for the end of the archive; here every byte before the end marks is accounted for.

Sources: POSIX.1-2008 pax, "ustar Interchange Format"; GNU tar manual, "Tar Internals".
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NoReturn

import msgspec

from engine.errors import InvalidArchive
from engine.layer.tar_pax import PaxRecords, parse_pax
from engine.layer.window import SIZE, Window

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

BLOCK = 512
_CHUNK = 1 << 20
_SPECIAL_LIMIT = 1 << 20
"""Bytes of one extended header or sparse map; Go's reader draws the same line."""
_SUM = struct.Struct("148B8x356B")
_SIGNED_SUM = struct.Struct("148b8x356b")
_SPACES = 8 * 32
_ZEROS = bytes(BLOCK)
_HEADER_ONLY = frozenset(b"123456")
_ENDS = (b"\0", b" ")
_REGULAR = frozenset(b"\x0007")
_MAX_NAME = 4096


class Entry(msgspec.Struct, kw_only=True):
    """One member; ``type`` is the type flag, with every kind of regular file as ``0``.

    ``mtime`` in nanoseconds, ``size`` of the file in the tree, ``sparse`` the (offset, length) pieces
    that the archive holds of it, or None if it holds all.
    """

    name: bytes
    type: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: bytes
    device: tuple[int, int]
    xattrs: dict[str, bytes]
    sparse: tuple[tuple[int, int], ...] | None = None


class TarReader:
    """The entries of ``stream``; ``ended`` says whether the end marks were seen.

    At most ``ahead`` bytes are read beyond what is asked for.
    """

    def __init__(self, stream: io.RawIOBase | io.BufferedIOBase, subject: str, *, ahead: int = SIZE) -> None:
        self._stream = Window(stream, ahead)
        self._subject = subject
        self._remaining = 0
        self._padding = 0
        self._global: PaxRecords = {}
        self.ended = False

    def __iter__(self) -> Iterator[Entry]:
        pax: PaxRecords = {}
        long_name = long_link = b""
        while (header := self._header()) is not None:
            flag = header[156]
            if flag in b"xgLK":
                payload = self._special(header)
                if flag in b"xg":
                    records = parse_pax(payload, self._subject)
                    if flag == ord("g"):
                        self._keep(records)
                    else:
                        pax = records
                elif flag == ord("L"):
                    long_name = payload.split(b"\0", 1)[0]
                else:
                    long_link = payload.split(b"\0", 1)[0]
                continue
            entry = self._entry(header, self._global | pax, long_name, long_link)
            pax, long_name, long_link = {}, b"", b""
            if entry is not None:
                yield entry
            self.skip()
        if pax or long_name or long_link:
            self._fail("ends after an extended header")

    def _keep(self, records: PaxRecords) -> None:
        """Records for all entries from here on; many headers of them have no more room than one."""
        self._global |= records
        held = sum(len(key) + len(value) for key, value in self._global.items())
        if held > _SPECIAL_LIMIT:
            self._fail(f"extended headers of {held} bytes for all entries; {_SPECIAL_LIMIT} are allowed")

    def copy_to(self, descriptor: int, entry: Entry) -> None:
        """Write the current entry's content to ``descriptor``, holes as holes."""
        if entry.sparse is None:
            self._copy(descriptor, self._remaining)
            return
        for offset, length in entry.sparse:
            os.lseek(descriptor, offset, os.SEEK_SET)
            self._copy(descriptor, length)
        os.ftruncate(descriptor, entry.size)

    def skip(self) -> None:
        """Pass over what is left of the current entry."""
        left = self._remaining + self._padding
        while left:
            piece = self._stream.view(left)
            if not piece:
                self._truncated()
            left -= len(piece)
        self._remaining = self._padding = 0

    def drain(self) -> None:
        """Read on to the end of the stream, which digests cover."""
        while self._stream.view(_CHUNK):
            pass

    # -- blocks ----------------------------------------------------------------------------------
    def _header(self) -> bytes | None:
        header = self._stream.take(BLOCK)
        if not header:
            return None
        if len(header) < BLOCK:
            self._truncated()
        if header == _ZEROS:
            following = self._stream.take(BLOCK)
            if following.strip(b"\0"):
                self._fail("data follows a zero block: damaged, or several archives in one")
            self.ended = True
            return None
        stored = _octal(header[148:156])
        if stored is None or (
            sum(_SUM.unpack(header)) + _SPACES != stored
            and sum(_SIGNED_SUM.unpack(header)) + _SPACES != stored
        ):
            self._fail("a header's checksum is wrong: not a tar archive, or damaged")
        return header

    def _special(self, header: bytes) -> bytes:
        size = self._number(header[124:136], "size")
        if size > _SPECIAL_LIMIT:
            self._fail(f"an extended header of {size} bytes; {_SPECIAL_LIMIT} are allowed")
        return self._take(size + -size % BLOCK)[:size]

    def _take(self, size: int) -> bytes:
        content = self._stream.take(size)
        if len(content) < size:
            self._truncated()
        return content

    def _copy(self, descriptor: int, length: int) -> None:
        self._remaining -= length
        while length:
            piece = self._stream.view(length)
            if not piece:
                self._truncated()
            length -= len(piece)
            while piece:
                piece = piece[os.write(descriptor, piece) :]

    # -- entries ---------------------------------------------------------------------------------
    def _entry(self, header: bytes, pax: PaxRecords, long_name: bytes, long_link: bytes) -> Entry | None:
        flag = header[156]
        name = pax.get("GNU.sparse.name") or pax.get("path") or long_name or _name(header)
        size = self._pax_number(pax, "size", header[124:136])
        stored = 0 if flag in _HEADER_ONLY else size
        self._remaining, self._padding = stored, -stored % BLOCK
        if flag == ord("V"):
            return None
        if flag in _REGULAR:
            flag = ord("5") if name.endswith(b"/") and header[257:262] != b"ustar" else ord("0")
        elif flag not in b"123456S":
            self._fail(f"{_shown(name)} is of an unknown type {chr(flag)!r}")
        entry = Entry(
            name=name,
            type="0" if flag == ord("S") else chr(flag),
            mode=self._number(header[100:108], "mode") & 0o7777,
            uid=self._pax_number(pax, "uid", header[108:116]),
            gid=self._pax_number(pax, "gid", header[116:124]),
            size=stored,
            mtime=self._mtime(pax, header),
            link=pax.get("linkpath") or long_link or header[157:257].split(b"\0", 1)[0],
            device=(0, 0),
            xattrs={key[13:]: value for key, value in pax.items() if key.startswith("SCHILY.xattr.")}
            if pax
            else {},
        )
        if flag in b"34":
            entry.device = (self._number(header[329:337], "major"), self._number(header[337:345], "minor"))
        if len(name) > _MAX_NAME or b"\0" in name or b"\0" in entry.link:
            self._fail(f"{_shown(name)} is no possible name")
        self._find_sparse(entry, header, pax)
        return entry

    def _find_sparse(self, entry: Entry, header: bytes, pax: PaxRecords) -> None:
        if header[156] == ord("S"):
            pieces, entry.size = self._old_sparse(header)
        elif "GNU.sparse.major" in pax:
            entry.size = self._decimal(pax.get("GNU.sparse.realsize", b""))
            pieces = self._sparse_map()
        elif "GNU.sparse.map" in pax or "GNU.sparse.size" in pax:
            entry.size = self._decimal(pax.get("GNU.sparse.size", b""))
            numbers = [self._decimal(text) for text in pax.get("GNU.sparse.map", b"").split(b",") if text]
            pieces = list(zip(numbers[::2], numbers[1::2], strict=False))
        else:
            return
        end = 0
        for offset, length in pieces:
            if offset < end or length < 0:
                self._fail(f"the sparse map of {_shown(entry.name)} is out of order")
            end = offset + length
        if end > entry.size or sum(length for _, length in pieces) != self._remaining:
            self._fail(f"the sparse map of {_shown(entry.name)} does not fit its size")
        entry.sparse = tuple(pieces)

    def _old_sparse(self, header: bytes) -> tuple[list[tuple[int, int]], int]:
        pieces = self._pieces(header[386:482])
        size = self._number(header[483:495], "size")
        extended = header[482]
        while extended:
            block = self._take(BLOCK)
            pieces += self._pieces(block[:504])
            extended = block[504]
            if len(pieces) * 24 > _SPECIAL_LIMIT:
                self._fail("a sparse map is too long")
        return pieces, size

    def _pieces(self, fields: bytes) -> list[tuple[int, int]]:
        return [
            (self._number(fields[at : at + 12], "offset"), self._number(fields[at + 12 : at + 24], "length"))
            for at in range(0, len(fields), 24)
            if fields[at]
        ]

    def _sparse_map(self) -> list[tuple[int, int]]:
        """GNU.sparse 1.0: decimal lines in front of the content, padded to a block."""
        text = b""
        numbers: list[int] = []
        wanted = 1
        while len(numbers) < wanted:
            if self._remaining < BLOCK or len(text) > _SPECIAL_LIMIT:
                self._fail("a sparse map is cut short or too long")
            text += self._take(BLOCK)
            self._remaining -= BLOCK
            *lines, text = text.split(b"\n")
            numbers += [self._decimal(line) for line in lines]
            wanted = 1 + 2 * numbers[0] if numbers else 1
        return list(zip(numbers[1:wanted:2], numbers[2:wanted:2], strict=True))

    # -- numbers ---------------------------------------------------------------------------------
    def _number(self, field: bytes, what: str) -> int:
        value = _octal(field)
        if value is None or value < 0:
            self._fail(f"a header's {what} is not a number")
        return value

    def _pax_number(self, pax: PaxRecords, key: str, field: bytes) -> int:
        return self._decimal(pax[key]) if key in pax else self._number(field, key)

    def _mtime(self, pax: PaxRecords, header: bytes) -> int:
        text = pax.get("mtime")
        if text is None:
            return (_octal(header[136:148]) or 0) * 1_000_000_000
        whole, _, fraction = text.partition(b".")
        try:
            nanoseconds = int(fraction[:9].ljust(9, b"0")) if fraction else 0
            return int(whole) * 1_000_000_000 + (-nanoseconds if whole.startswith(b"-") else nanoseconds)
        except ValueError:
            self._fail("a modification time is not a number")

    def _decimal(self, text: bytes) -> int:
        if not text.isdigit() or len(text) > 20:  # noqa: PLR2004 - digits of 2**64
            self._fail("an extended header's number is not one")
        return int(text)

    def _truncated(self) -> NoReturn:
        self._fail("the archive is cut short")

    def _fail(self, reason: str) -> NoReturn:
        raise InvalidArchive(self._subject, reason, remedy="fetch or write the archive again")


def _name(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    if header[257:265] == b"ustar\00000":
        prefix = header[345:500].split(b"\0", 1)[0]
        return prefix + b"/" + name if prefix else name
    return name


def _octal(field: bytes) -> int | None:
    """A header's number: octal digits, or base-256 when the first bit is set; None if neither."""
    if field[-1:] in _ENDS:
        try:
            return int(field[:-1], 8)  # as nearly all are
        except ValueError:
            pass
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (len(field) * 8 - 1)) - 1)
        return value - (1 << (len(field) * 8 - 1)) if field[0] & 0x40 else value
    text = field.split(b"\0", 1)[0].strip(b" ") or field.strip(b" \0")
    try:
        return int(text or b"0", 8)
    except ValueError:
        return None


def _shown(name: bytes) -> str:
    return repr(os.fsdecode(name[:200]))
