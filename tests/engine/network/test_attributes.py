"""Netlink attributes: taken apart, and what the kernel tells compared with what was asked for."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.network.attributes import attributes, number_of, says, text_of
from engine.shim.netlink_send import messages


def attribute(kind: int, value: bytes) -> bytes:
    return (struct.pack("=HH", len(value) + 4, kind) + value).ljust((len(value) + 7) & ~3, b"\0")


def test_attributes_are_taken_apart() -> None:
    data = attribute(3, b"eth0\0") + attribute(0x8000 | 10, struct.pack("=I", 7))
    found = attributes(data)
    assert (text_of(3, found), number_of(10, found), number_of(11, found)) == ("eth0", 7, 0)


@pytest.mark.parametrize("data", [b"\x08", b"\x09\0\x01\0abcd", b"\x02\0\x01\0"])
def test_what_is_not_made_of_attributes_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="attribute"):
        attributes(data)


def test_messages_of_a_datagram() -> None:
    one = struct.pack("=IHHII", 21, 16, 2, 1, 0) + b"hello" + b"\0\0\0"
    assert list(messages(one + one)) == [(16, 2, b"hello")] * 2


def test_the_kernel_may_add_and_reorder() -> None:
    asked = attribute(2, attribute(1, b"abcd") + attribute(5, b"efgh"))
    told = attribute(9, b"dflt") + attribute(2, attribute(5, b"efgh") + attribute(1, b"abcd"))
    assert says(asked, told)


@pytest.mark.parametrize(
    "told",
    [b"", attribute(2, attribute(1, b"abcx")), attribute(3, attribute(1, b"abcd")), b"no attributes at all"],
)
def test_another_value_is_another_thing(told: bytes) -> None:
    assert not says(attribute(2, attribute(1, b"abcd")), told)


@given(st.binary(max_size=60))
def test_any_bytes_are_attributes_or_refused(data: bytes) -> None:
    try:
        found = attributes(data)
    except ValueError:
        return
    assert sum(4 + len(value) for _, value in found) <= len(data)
