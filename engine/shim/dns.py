"""Owns DNS messages: a question out of bytes, an answer into bytes; sans I/O. Refuses to know any name.

Sources: RFC 1035 (4.1 the format, 4.2.1 truncation), RFC 6891 (EDNS0), RFC 3596 (AAAA, ip6.arpa). An answer
repeats the question's bytes, so that its id and the case of its letters are the client's.
"""

from __future__ import annotations

import struct

from engine.shim import sockets

A, PTR, AAAA, OPT, ANY = 1, 12, 28, 41, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
HEADER_SIZE = 12
LONGEST = 65535
_HEADER = struct.Struct(">HHHHHH")  # id, flags, and how many: questions, answers, authorities, additionals
_FIXED = struct.Struct(">HH")
_RECORD = struct.Struct(">HHIH")  # type, class, seconds to live, length
_ANSWER, _OPCODE, _TRUNCATED, _ASKED, _AVAILABLE = 0x8000, 0x7800, 0x0200, 0x0100, 0x0080
_SMALLEST, _OURS = 512, 1232
_TO_NAME = b"\xc0\x0c"
"""A pointer to the question's name."""


class Question:
    """One question: ``name`` in lower case without the last dot, ``raw`` its section of the message.

    ``size`` is the longest datagram that the client takes; ``rcode`` is what it must be answered with, or 0.
    """

    __slots__ = ("edns", "flags", "id", "kind", "klass", "name", "raw", "rcode", "size")

    def __init__(self, number: int, flags: int) -> None:
        self.id, self.flags = number, flags
        self.name, self.raw, self.kind, self.klass = "", b"", 0, 0
        self.size, self.edns, self.rcode = _SMALLEST, False, NOERROR


class Malformed(Exception):
    """The bytes are no DNS message."""


def read_question(packet: bytes) -> Question | None:
    """The question in ``packet``; None if it is to have no answer (too short, or an answer itself)."""
    if len(packet) < HEADER_SIZE:
        return None
    number, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(packet)
    if flags & _ANSWER:
        return None
    question = Question(number, flags)
    if flags & _OPCODE:
        question.rcode = NOTIMP
        return question
    try:
        if questions != 1:
            raise Malformed
        end, question.name = _read_name(packet, HEADER_SIZE)
        question.kind, question.klass = _FIXED.unpack_from(packet, end)
        end += _FIXED.size
        question.raw = packet[HEADER_SIZE:end]
        _read_rest(packet, end, answers + authorities + additionals, question)
    except (Malformed, struct.error, IndexError):
        question.rcode = FORMERR
    return question


def answer(question: Question, rcode: int, records: list[bytes], *, stream: bool) -> bytes:
    """The answer with ``records`` (of ``record``); cut where the client takes no more, and told so (TC)."""
    limit = LONGEST if stream else min(question.size, _OURS) if question.edns else _SMALLEST
    opt = b"\0" + _RECORD.pack(OPT, _OURS, rcode >> 4 << 24, 0) + b"" if question.edns else b""
    room = limit - HEADER_SIZE - len(question.raw) - len(opt)
    fitting: list[bytes] = []
    for one in records:
        room -= len(one)
        if room < 0:
            break
        fitting.append(one)
    flags = _ANSWER | _AVAILABLE | question.flags & (_OPCODE | _ASKED) | rcode & 15
    if len(fitting) < len(records):
        flags |= _TRUNCATED
    counts = (int(bool(question.raw)), len(fitting), 0, int(bool(opt)))
    return _HEADER.pack(question.id, flags, *counts) + question.raw + b"".join(fitting) + opt


def record(kind: int, content: bytes, seconds: int) -> bytes:
    """A resource record of the question's name, class IN."""
    return _TO_NAME + _RECORD.pack(kind, IN, seconds, len(content)) + content


def address_record(address: str, seconds: int) -> bytes:
    """The A or AAAA record of an address as it is written."""
    if ":" in address:
        return record(AAAA, sockets.inet_pton(sockets.AF_INET6, address), seconds)
    return record(A, sockets.inet_pton(sockets.AF_INET, address), seconds)


def pointer_record(name: str, seconds: int) -> bytes:
    """The PTR record that leads to ``name``; ValueError if that cannot be written as a domain name."""
    content = b""
    for label in name.split("."):
        encoded = label.encode()
        if not 0 < len(encoded) < 64:
            raise ValueError(f"{name!r} is no domain name")
        content += bytes((len(encoded),)) + encoded
    if len(content) > 254:
        raise ValueError(f"{name!r} is too long a domain name")
    return record(PTR, content + b"\0", seconds)


def reversed_address(name: str) -> str:
    """The address that a name below in-addr.arpa or ip6.arpa stands for; "" for any other name."""
    labels = name.split(".")[::-1]
    if labels[:2] == ["arpa", "in-addr"] and len(labels) == 6:
        family, text = sockets.AF_INET, ".".join(labels[2:])
    elif labels[:2] == ["arpa", "ip6"] and len(labels) == 34 and all(len(digit) == 1 for digit in labels[2:]):
        digits = "".join(labels[2:])
        family, text = sockets.AF_INET6, ":".join(digits[at : at + 4] for at in range(0, 32, 4))
    else:
        return ""
    try:
        return sockets.inet_ntop(family, sockets.inet_pton(family, text))
    except (OSError, ValueError):
        return ""


def with_id(packet: bytes, number: int) -> bytes:
    """``packet`` with another id."""
    return number.to_bytes(2, "big") + packet[2:]


def rcode_of(packet: bytes) -> int:
    """The code of an answer, without what EDNS adds to it."""
    return packet[3] & 15


def answers_to(packet: bytes, number: int, question: Question) -> bool:
    """Whether ``packet`` is an answer to ``question`` as it was sent on with the id ``number``.

    A server that understood nothing (FORMERR, NOTIMP) may leave the question out.
    """
    if len(packet) < HEADER_SIZE:
        return False
    its_number, flags, questions = _HEADER.unpack_from(packet)[:3]
    if its_number != number or not flags & _ANSWER or flags & _OPCODE:
        return False
    if questions == 0:
        return flags & 15 in (FORMERR, NOTIMP)
    raw, name_size = question.raw, len(question.raw) - _FIXED.size
    section = packet[HEADER_SIZE : HEADER_SIZE + len(raw)]
    same_name = section[:name_size].lower() == raw[:name_size].lower()
    return questions == 1 and same_name and section[name_size:] == raw[name_size:]


def truncated(packet: bytes, question: Question) -> bytes:
    """An answer that is too long for the client's datagram: only that there is one (TC)."""
    number, flags = _FIXED.unpack_from(packet)
    return _HEADER.pack(number, flags | _TRUNCATED, 1, 0, 0, 0) + question.raw


def _read_name(packet: bytes, at: int) -> tuple[int, str]:
    """(where it ends, the name) of a question; a pointer has nothing before it to lead to, and is refused."""
    start, labels = at, []
    while size := packet[at]:
        label = packet[at + 1 : at + 1 + size]
        if size > 63 or len(label) < size or at + size + 2 - start > 255:
            raise Malformed
        # A dot or a backslash in a label is none between two of them (RFC 1035, 5.1).
        labels.append(label.decode("latin-1").replace("\\", "\\\\").replace(".", "\\."))
        at += 1 + size
    return at + 1, ".".join(labels).lower()


def _read_rest(packet: bytes, at: int, count: int, question: Question) -> None:
    """Look for the OPT record among the ``count`` records that follow."""
    for _ in range(count):
        owner = at
        at = _skip_name(packet, at)
        kind, klass, ttl, size = _RECORD.unpack_from(packet, at)
        at += _RECORD.size + size
        if at > len(packet):
            raise Malformed
        if kind == OPT:
            if question.edns or packet[owner]:
                raise Malformed  # there may be one, and the root's
            question.edns, question.size = True, max(klass, _SMALLEST)
            if ttl >> 16 & 255:
                question.rcode = BADVERS


def _skip_name(packet: bytes, at: int) -> int:
    """Where the name at ``at`` ends; a pointer ends it, wherever it leads."""
    while size := packet[at]:
        if size >= 0xC0:
            return at + 2
        if size > 63:
            raise Malformed
        at += 1 + size
    return at + 1
