"""Owns the records of a PAX extended header, read and written; refuses I/O.

Source: POSIX.1-2008 pax, "pax Header Block": each record is ``LENGTH KEY=VALUE`` and a line feed, where
the length counts all of it, its own digits included.
"""

from __future__ import annotations

from engine.errors import InvalidArchive

PaxRecords = dict[str, bytes]


def parse_pax(payload: bytes, subject: str) -> PaxRecords:
    """The records of one header; an empty value means "as if not given", as Go reads it.

    GNU.sparse 0.0 repeats offset and numbytes: they are joined into one ``GNU.sparse.map``.
    """
    records: PaxRecords = {}
    pieces: list[bytes] = []
    at = 0
    while at < len(payload):
        space = payload.find(b" ", at, at + 10)
        length = payload[at:space] if space > 0 else b""
        end = at + int(length) if length.isdigit() else 0
        key, equals, value = payload[space + 1 : end - 1].partition(b"=")
        if not space + 1 < end <= len(payload) or payload[end - 1] != ord("\n") or not equals:
            raise InvalidArchive(
                subject, "an extended header is damaged", remedy="fetch or write the archive again"
            )
        if key in {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}:
            pieces.append(value)
        elif value or key.startswith(b"SCHILY.xattr."):
            records[key.decode("utf-8", "surrogateescape")] = value
        at = end
    if pieces:
        records["GNU.sparse.map"] = b",".join(pieces)
    return records


def pax_record(key: str, value: bytes) -> bytes:
    """One record; its length counts its own digits."""
    rest = b" %s=%s\n" % (key.encode("utf-8", "surrogateescape"), value)
    length = len(rest)
    while len(rest) + len(str(length)) != length:
        length = len(rest) + len(str(length))
    return b"%d%s" % (length, rest)
