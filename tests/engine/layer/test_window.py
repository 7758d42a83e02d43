"""A stream seen through one buffer: pieces as they come, or so many bytes as are asked for."""

from __future__ import annotations

import io
import os

from engine.layer.window import Window

_CONTENT = bytes(range(256)) * 4096
"""Several times the window's buffer."""


def _all(window: Window, most: int) -> bytes:
    seen = b""
    while piece := window.view(most):
        seen += piece
    return seen


def test_every_byte_is_seen_once_in_order():
    window = Window(io.BytesIO(_CONTENT))
    assert window.take(700) + _all(window, 100_000) == _CONTENT


def test_what_is_taken_may_be_longer_than_the_buffer():
    window = Window(io.BytesIO(_CONTENT))
    window.view(5)
    assert window.take(900_000) == _CONTENT[5:900_005]


def test_less_is_taken_at_the_end():
    window = Window(io.BytesIO(b"abc"))
    assert (window.take(5), window.take(5)) == (b"abc", b"")


def test_what_has_come_is_seen_while_the_writer_is_not_done():
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as reading, open(write_end, "wb", buffering=0) as writing:
        writing.write(b"first")
        assert bytes(Window(reading).view(100)) == b"first"
