"""Owns the attributes of a netlink message; pure.

Source: netlink(7). Both what the kernel answers and what was sent to it are read with this; refuses to know
what any attribute means.
"""

from __future__ import annotations

import struct

_ATTRIBUTE = struct.Struct("=HH")
_TYPE = 0x3FFF
"""Without the flags that say nested, and in the network's byte order."""

Attributes = list[tuple[int, bytes]]


def attributes(data: bytes) -> Attributes:
    """The (type, value) of each attribute in ``data``; ValueError if it is not made of attributes."""
    found = []
    offset = 0
    while offset < len(data):
        if offset + _ATTRIBUTE.size > len(data):
            raise ValueError("half an attribute")
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            raise ValueError("an attribute that is too long")
        found.append((kind & _TYPE, data[offset + _ATTRIBUTE.size : offset + length]))
        offset += (length + 3) & ~3
    return found


def value_of(wanted: int, found: Attributes) -> bytes:
    """The first value of type ``wanted``; empty if there is none."""
    return next((value for kind, value in found if kind == wanted), b"")


def text_of(wanted: int, found: Attributes) -> str:
    """As ``value_of``, for a text."""
    return value_of(wanted, found).rstrip(b"\0").decode(errors="replace")


def number_of(wanted: int, found: Attributes) -> int:
    """As ``value_of``, for a number of this machine's byte order; 0 if there is none."""
    return int.from_bytes(value_of(wanted, found), "little" if struct.pack("=H", 1)[0] else "big")


def says(asked: bytes, told: bytes) -> bool:
    """Whether ``told``, an answer of the kernel's, has all that was ``asked`` for, in any order.

    The kernel adds attributes that have a default. What is nested is not known without knowing its meaning:
    where the bytes differ and both could be attributes, these are compared.
    """
    if asked == told:
        return True
    try:
        wanted, found = attributes(asked), attributes(told)
    except ValueError:
        return False
    return bool(wanted) and all(
        any(kind == other and says(value, answer) for other, answer in found) for kind, value in wanted
    )
