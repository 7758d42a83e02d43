"""Owns asking the kernel for chains and rules, and rules that are put into chains or taken out; by nfnetlink.

For chains of others, which no plan of ours knows before: their messages are packed here (nfnetlink's, as in
linux/netfilter/nf_tables.h). Refuses to know what a rule is for.
"""

from __future__ import annotations

import errno
import os
import struct

from engine.shim import sockets
from engine.shim.netlink_send import messages

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Iterator

NETFILTER = 12
FAMILIES = {2: "ip", 10: "ip6", 1: "inet"}
_NUMBERS = {name: number for number, name in FAMILIES.items()}
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NFGEN = struct.Struct("=BBH")
_NFTABLES = 10 << 8
_GETCHAIN, _NEWRULE, _GETRULE, _DELRULE = 4, 6, 7, 8
_BATCH_BEGIN, _BATCH_END = 16, 17
_GETGEN = 16
_REQUEST, _ACK, _DUMP, _CREATE = 1, 4, 0x300, 0x400
_INTERRUPTED = 0x10
_ERROR, _DONE = 2, 3
_TYPE = 0x3FFF
_NESTED = 0x8000
_TABLE, _CHAIN_NAME, _CHAIN_HOOK, _CHAIN_POLICY = 1, 3, 4, 5
_RULE_CHAIN, _RULE_HANDLE, _RULE_EXPRESSIONS, _RULE_USERDATA = 2, 3, 4, 7
_HOOK_NUMBER, _FORWARD = 1, 2
_COMMENT = 0
_BUFFER = 1 << 16
_ATTEMPTS = 3
_PATIENCE = struct.pack("@ll", 10, 0)
_FORWARD_HOOK = _ATTRIBUTE.pack(8, _HOOK_NUMBER) + _FORWARD.to_bytes(4, "big")


class Chain:
    """A base chain on the way of what is forwarded; ``drops``: its policy is drop."""

    __slots__ = ("drops", "family", "name", "table")

    def __init__(self, family: str, table: str, name: str, *, drops: bool) -> None:
        self.family, self.table, self.name, self.drops = family, table, name, drops


def is_supported() -> bool:
    """Whether this kernel has nf_tables at all."""
    try:
        _ask(_GETGEN, 0, b"", flags=_ACK)
    except PermissionError:
        return True  # what needs it says so itself
    except OSError:
        return False
    return True


def forward_chains(prefix: bytes) -> list[Chain]:
    """The base chains on hook forward of ip, ip6 and inet, in tables whose name begins otherwise."""
    found = []
    for content in _dump(_GETCHAIN, 0):
        # Most chains of a host with many containers are ours: these cost one comparison each.
        if content.startswith(prefix, 8) or _FORWARD_HOOK not in content:
            continue
        family, told = FAMILIES.get(content[0]), attributes(content[4:])
        if family and attributes(told.get(_CHAIN_HOOK, b"")).get(_HOOK_NUMBER) == _FORWARD.to_bytes(4, "big"):
            drops = told.get(_CHAIN_POLICY) == bytes(4)
            found.append(Chain(family, _text(told, _TABLE), _text(told, _CHAIN_NAME), drops=drops))
    return found


def rules(family: str, table: str, chain: str = "") -> list[bytes]:
    """The messages' contents of the rules of ``chain``, or of all of ``table``; none if there is none."""
    asked = packed(_TABLE, table.encode() + b"\0")
    if chain:
        asked += packed(_RULE_CHAIN, chain.encode() + b"\0")
    return _dump(_GETRULE, _NUMBERS[family], asked)


def expressions(rule: bytes) -> list[tuple[str, bytes]]:
    """(name, attributes) of each expression of a rule."""
    listed = attributes(rule[4:]).get(_RULE_EXPRESSIONS, b"")
    found = []
    for _, element in walk(listed):
        told = attributes(element)
        found.append((_text(told, 1), told.get(2, b"")))
    return found


def insert_rules(chain: Chain, wanted: list[bytes], comment: str) -> bytes:
    """The messages that put rules, each the bytes of its expressions, at the top of ``chain``."""
    note = comment.encode() + b"\0"
    marked = packed(_RULE_USERDATA, bytes((_COMMENT, len(note))) + note)
    place = packed(_TABLE, chain.table.encode() + b"\0") + packed(_RULE_CHAIN, chain.name.encode() + b"\0")
    return b"".join(
        _message(_NEWRULE, chain.family, place + packed(_RULE_EXPRESSIONS | _NESTED, one) + marked, _CREATE)
        for one in reversed(wanted)  # each goes before the one that came before it
    )


def delete_rules(found: list[bytes]) -> bytes:
    """The messages that take rules out, which ``rules`` has told."""
    deletions = []
    for rule in found:
        told = attributes(rule[4:])
        named = b"".join(packed(kind, told[kind]) for kind in (_TABLE, _RULE_CHAIN, _RULE_HANDLE))
        deletions.append(_message(_DELRULE, FAMILIES[rule[0]], named, 0))
    return b"".join(deletions)


def commit(changes: bytes) -> None:
    """Send the messages ``changes`` as one transaction; OSError if the kernel refuses any, and all then."""
    begin = _HEADER.pack(20, _BATCH_BEGIN, _REQUEST, 1, 0) + struct.pack(">BBH", 0, 0, 10)
    end = _HEADER.pack(20, _BATCH_END, _REQUEST | _ACK, 1, 0) + struct.pack(">BBH", 0, 0, 10)
    kernel = _open()
    try:
        kernel.sendto(begin + changes + end, (0, 0))
        while True:
            try:
                answer = kernel.recv(_BUFFER, sockets.MSG_DONTWAIT)
            except BlockingIOError:
                return
            for _, _, content in messages(answer):
                (code,) = struct.unpack_from("=i", content)
                if code:
                    raise OSError(-code, os.strerror(-code))
    finally:
        kernel.close()


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes in ``data`` by type."""
    return dict(walk(data))


def walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (type, value) of each attribute in ``data``."""
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _TYPE, data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def packed(kind: int, value: bytes) -> bytes:
    """An attribute, as it is sent."""
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + bytes(-size % 4)


def _text(told: dict[int, bytes], kind: int) -> str:
    return told.get(kind, b"").rstrip(b"\0").decode(errors="replace")


def _message(kind: int, family: str, content: bytes, flags: int) -> bytes:
    size = _HEADER.size + _NFGEN.size + len(content)
    header = _HEADER.pack(size, _NFTABLES | kind, _REQUEST | flags, 1, 0)
    return header + _NFGEN.pack(_NUMBERS[family], 0, 0) + content


def _dump(kind: int, family: int, asked: bytes = b"") -> list[bytes]:
    """The contents of what the kernel answers; none if it has no nf_tables, or not what is asked for."""
    try:
        for _ in range(_ATTEMPTS):
            found, changed = _ask(kind, family, asked)
            if not changed:
                break
    except OSError as error:
        absent = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT)
        if error.errno not in absent:
            raise
        return []
    return found


def _ask(kind: int, family: int, asked: bytes, flags: int = _DUMP) -> tuple[list[bytes], bool]:
    kernel = _open()
    try:
        size = _HEADER.size + _NFGEN.size + len(asked)
        header = _HEADER.pack(size, _NFTABLES | kind, _REQUEST | flags, 1, 0)
        kernel.sendto(header + _NFGEN.pack(family, 0, 0) + asked, (0, 0))
        found: list[bytes] = []
        changed = False
        while True:
            for told, marked, content in messages(kernel.recv(_BUFFER)):
                changed = changed or bool(marked & _INTERRUPTED)
                if told == _DONE:
                    return found, changed
                if told == _ERROR:
                    (code,) = struct.unpack_from("=i", content)
                    if not code:
                        return found, changed
                    raise OSError(-code, os.strerror(-code))
                found.append(content)
    finally:
        kernel.close()


def _open() -> sockets.Socket:
    kernel = sockets.Socket(sockets.AF_NETLINK, sockets.SOCK_RAW | sockets.SOCK_CLOEXEC, NETFILTER)
    kernel.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVTIMEO, _PATIENCE)
    kernel.bind((0, 0))
    return kernel
