"""Owns the bytes of operations: encoded once, kept on disk, patched for each container; refuses to send.

Encoding needs pyroute2, whose import alone costs more than a container's start. Therefore each operation
is split into its shape and its variable parts. The shape, with a sentinel of the same width for every
variable, is encoded once; where the sentinels stand in the bytes is remembered (each must stand there
exactly as often as expected), and later operations of that shape are made by writing their values there.
"""

from __future__ import annotations

import base64
import errno
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import NetworkFailure
from engine.network.plan import operations as ops
from engine.shim import nftables

if TYPE_CHECKING:
    from collections.abc import Callable

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12
SYSCTL, IPTABLES = -1, -2
"""No netlink: the message is ``KEY=VALUE``; see ``engine.shim.iptables``."""
_BATCH_BEGIN, _BATCH_END = "batch begin", "batch end"
_ENCODERS = (
    "netlink/__init__.py",
    "netlink/links.py",
    "netlink/messages.py",
    "netlink/nftables.py",
    "netlink/routes.py",
    "plan/operations.py",
    "template.py",
)
"""What makes the bytes."""


class Piece(msgspec.Struct, frozen=True):
    """One shape's message; ``slots[n]`` are the offsets of variable n, ``indexes`` those for the sender."""

    message: bytes
    slots: tuple[tuple[int, ...], ...] = ()
    indexes: tuple[int, ...] = ()


class Variable(msgspec.Struct, frozen=True):
    """A field whose value is patched: ``count`` times in the message.

    In the shape stands ``sentinel``; None for text, a number for an address, both of the value's own size.
    """

    field: str
    encode: Any
    sentinel: Any
    count: int = 1


class Item(msgspec.Struct, frozen=True):
    """One datagram, as ``engine.shim.netlink_send`` takes it."""

    family: int
    message: str
    """base64."""
    expect_acks: int
    ignore_errno: tuple[int, ...] = ()
    indexes: tuple[tuple[int, str], ...] = ()


def _port(value: int) -> bytes:
    return struct.pack(">H", value)


def _mac(value: str) -> bytes:
    return bytes.fromhex(value.replace(":", ""))


def _text(field: str, count: int = 1) -> Variable:
    return Variable(field, str.encode, None, count)


def _address(field: str, byte: int, count: int = 1) -> Variable:
    return Variable(field, _packed, byte, count)


def _packed(address: str) -> bytes:
    if not address:
        return b""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _address_like(address: str, byte: int) -> str:
    """An address of the same family that is found in a message: ``byte`` and its neighbours."""
    if not address:
        return ""
    family, size = (socket.AF_INET6, 16) if ":" in address else (socket.AF_INET, 4)
    return socket.inet_ntop(family, bytes((byte + 17 * place) % 251 + 3 for place in range(size)))


_VARIABLES: dict[type, tuple[Variable, ...]] = {
    ops.AddVeth: (_text("name"), Variable("mac", _mac, "f3:9b:e5:71:d8:4e")),
    ops.AddVlan: (_text("name"),),
    ops.AddDummy: (_text("name"),),
    ops.SetPort: (_text("name"),),
    ops.Unplug: (_text("name"),),
    ops.DeleteLink: (_text("name"),),
    ops.AddAddress: (_address("address", 0xF1, 2), _address("broadcast", 0xE2)),
    ops.AddDefaultRoute: (_address("gateway", 0xD3),),
    ops.AddRoute: (_address("gateway", 0xD3),),
    ops.AddTable: (_text("name"),),
    ops.ReplaceTable: (_text("name", 3),),
    ops.DeleteTable: (_text("name"),),
    ops.FindTable: (_text("name"),),
    ops.AddChain: (_text("table"),),
    ops.AddRule: (_text("table"),),
    ops.AddressMatch: (_address("address", 0xC4),),
    ops.PortMatch: (Variable("port", _port, 0xF1E7),),
    ops.SourceNat: (_address("address", 0xB5),),
    ops.DestinationNat: (_address("address", 0xB5), Variable("port", _port, 0xD3C9)),
    ops.PortRangeMatch: (Variable("first", _port, 0xF1E7), Variable("last", _port, 0xA6B5)),
    ops.DestinationAddress: (_address("address", 0xB5),),
    ops.RewritePort: (Variable("port", _port, 0xD3C9),),
}
"""What is patched, by type; all other fields belong to the shape."""

_INDEXED = {
    ops.AddVeth: "bridge",
    ops.AddSubinterface: "parent",
    ops.AddVlan: "parent",
    ops.AddAddress: "interface",
    ops.AddRoute: "interface",
}
"""The field that names an interface of which only the number is sent; none is if it is empty."""

_FILTERING = (ops.AddTable, ops.ReplaceTable, ops.DeleteTable, ops.FindTable, ops.AddChain, ops.AddRule)

GONE = {
    ops.Unplug: (errno.ENODEV,),
    ops.DeleteLink: (errno.ENODEV,),
    ops.DeleteRoute: (errno.ESRCH,),
    ops.DeleteTable: (errno.ENOENT,),
    ops.SetSysctl: (errno.ENOENT, errno.EROFS),
}
"""What may be gone already."""


class Templates:
    """The pieces known so far, in memory and in one file of ``folder`` for this code and this pyroute2."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = ""
        self._pieces: dict[str, Piece] = {}
        self._by_netlink = False

    def items(self, operations: ops.Operations) -> tuple[Item, ...]:
        """As ``netlink_items``; for iptables what is for a packet filter, where the kernel has no other."""
        if self._by_netlink or not any(isinstance(one, _FILTERING) for one in operations):
            return self.netlink_items(operations)
        self._by_netlink = nftables.is_supported()  # then it stays so
        if not self._by_netlink:
            from engine.network.filtering import iptables_items  # few hosts are so
            from engine.shim import iptables

            if families := iptables.families():
                return iptables_items(operations, families, self.netlink_items)
        return self.netlink_items(operations)

    def netlink_items(self, operations: ops.Operations) -> tuple[Item, ...]:
        """The datagrams of ``operations``: one for each link, address, route and deletion.

        What is added to nftables in a row is one transaction.
        """
        self._load()
        known = len(self._pieces)
        made: list[Item] = []
        batch: list[ops.Operation] = []
        for operation in operations:
            if isinstance(operation, ops.AddTable | ops.ReplaceTable | ops.AddChain | ops.AddRule):
                batch.append(operation)
                continue
            if batch:
                made.append(self._batch(batch))
                batch = []
            # A table that is not there would undo the whole transaction: a deletion is one of its own.
            deletion = isinstance(operation, ops.DeleteTable)
            made.append(self._batch([operation]) if deletion else self._single(operation))
        if batch:
            made.append(self._batch(batch))
        if len(self._pieces) > known:
            self._save()
        return tuple(made)

    def message(self, operation: ops.Operation) -> tuple[bytes, tuple[tuple[int, str], ...]]:
        """The netlink message of ``operation``, and where the sender puts which interface's index."""
        shape, values = _split(operation)
        key = msgspec.json.encode(shape).decode()
        piece = self._pieces.get(key)
        if piece is None:
            piece = self._pieces[key] = _encode(shape, [(sentinel, count) for sentinel, _, count in values])
        message = bytearray(piece.message)
        for offsets, (_, value, _) in zip(piece.slots, values, strict=True):
            for offset in offsets:
                message[offset : offset + len(value)] = value
        name = getattr(operation, _INDEXED.get(type(operation), ""), "")
        return bytes(message), tuple((offset, name) for offset in piece.indexes)

    def _single(self, operation: ops.Operation) -> Item:
        ignored = GONE.get(type(operation), ())
        if isinstance(operation, ops.SetSysctl):
            setting = f"{operation.key}={operation.value}".encode()
            return Item(SYSCTL, base64.b64encode(setting).decode(), 0, ignored)
        message, indexes = self.message(operation)
        family = NETLINK_NETFILTER if isinstance(operation, ops.FindTable) else NETLINK_ROUTE
        return Item(family, base64.b64encode(message).decode(), 1, ignored, indexes)

    def _batch(self, operations: list[ops.Operation]) -> Item:
        if _BATCH_BEGIN not in self._pieces:
            from engine.network import netlink

            begin, end = netlink.batch_bounds()
            self._pieces[_BATCH_BEGIN], self._pieces[_BATCH_END] = Piece(begin), Piece(end)
        parts = [
            self._pieces[_BATCH_BEGIN].message,
            *(self.message(operation)[0] for operation in operations),
            self._pieces[_BATCH_END].message,
        ]
        acks = sum(isinstance(one, ops.AddTable | ops.ReplaceTable | ops.DeleteTable) for one in operations)
        ignored = tuple(code for operation in operations for code in GONE.get(type(operation), ()))
        return Item(NETLINK_NETFILTER, base64.b64encode(b"".join(parts)).decode(), acks, ignored)

    def _load(self) -> None:
        if not self._path:
            self._path = f"{self._folder}/{_version()}.json"
            self._pieces = {**self._read(), **self._pieces}

    def _read(self) -> dict[str, Piece]:
        try:
            with open(self._path, "rb") as file:
                return msgspec.json.decode(file.read(), type=dict[str, Piece])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}  # never made, or cut short by a full disk: encoded again

    def _save(self) -> None:
        # Two processes may add at once: the loser's pieces are encoded again some day, nothing else.
        pieces = {**self._read(), **self._pieces}
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        temporary = f"{self._path}.{os.getpid()}"
        try:
            with open(temporary, "wb") as file:
                file.write(msgspec.json.encode(pieces))
            os.replace(temporary, self._path)
        except OSError as error:
            raise NetworkFailure("keep netlink templates", f"{temporary}: {error.strerror}") from error


def _split(value: Any) -> tuple[Any, list[tuple[bytes, bytes, int]]]:
    """``value`` with sentinels for its variables, and (sentinel, value, count) of each, as bytes."""
    if isinstance(value, tuple):
        parts = [_split(part) for part in value]
        return tuple(shape for shape, _ in parts), [item for _, found in parts for item in found]
    if not isinstance(value, ops.Value):
        return value, []
    changes: dict[str, Any] = {}
    found: list[tuple[bytes, bytes, int]] = []
    for variable in _VARIABLES.get(type(value), ()):
        plain = getattr(value, variable.field)
        encode: Callable[[Any], bytes] = variable.encode
        sentinel = _sentinel(variable, plain)
        changes[variable.field] = sentinel
        if encode(sentinel):  # IPv6 has no broadcast address
            found.append((encode(sentinel), encode(plain), variable.count))
    indexed = _INDEXED.get(type(value))
    if indexed is not None:
        changes[indexed] = "~" if getattr(value, indexed) else ""
    for field in value.__struct_fields__:
        inner = getattr(value, field)
        if isinstance(inner, tuple | ops.Value):
            changes[field], more = _split(inner)
            found += more
    return msgspec.structs.replace(value, **changes), found


def _sentinel(variable: Variable, plain: Any) -> Any:
    if variable.sentinel is None:
        return "~" * len(plain)
    return _address_like(plain, variable.sentinel) if variable.encode is _packed else variable.sentinel


def _encode(shape: ops.Operation, sentinels: list[tuple[bytes, int]]) -> Piece:
    from engine.network import netlink

    message = netlink.encode(shape)
    slots = tuple(_occurrences(message, sentinel, count, shape) for sentinel, count in sentinels)
    index = struct.pack("=I", netlink.INDEX_SENTINEL)
    expected = int(bool(getattr(shape, _INDEXED.get(type(shape), ""), "")))
    return Piece(message, slots, _occurrences(message, index, expected, shape))


def _occurrences(message: bytes, sentinel: bytes, count: int, shape: ops.Operation) -> tuple[int, ...]:
    found = []
    offset = message.find(sentinel)
    while offset >= 0:
        found.append(offset)
        offset = message.find(sentinel, offset + len(sentinel))
    if len(found) != count:
        raise NetworkFailure(
            "encode netlink message",
            f"{type(shape).__name__} holds a variable {len(found)} times, not {count}",
            remedy="install the pyroute2 version that tuidock asks for (pip install --upgrade tuidock)",
        )
    return tuple(found)


def _version() -> str:
    """Names this code and this pyroute2 without importing either: a change of any makes a new file."""
    marks = []
    for module in _ENCODERS:
        status = os.stat(f"{os.path.dirname(__file__)}/{module}")
        marks.append(f"{status.st_size:x}.{status.st_mtime_ns:x}")
    return f"pyroute2-{_pyroute2_version()}-{'-'.join(marks)}"


def _pyroute2_version() -> str:
    # importlib.metadata would say the same at several times the cost of everything else here.
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.startswith("pyroute2-") and name.endswith(".dist-info"):
                return name.removeprefix("pyroute2-").removesuffix(".dist-info")
    return "unknown"
