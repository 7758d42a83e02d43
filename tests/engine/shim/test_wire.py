"""Frames come out whole however the bytes are cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.shim import supervisor, wire

FRAMES = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=8)


@given(FRAMES, st.integers(1, 50))
def test_frames_come_out_as_they_went_in(frames, step):
    stream = b"".join(wire.pack(kind, body) for kind, body in frames)
    reader, seen = wire.FrameReader(), []
    for start in range(0, len(stream), step):
        seen += reader.feed(stream[start : start + step])
    assert seen == frames


def test_every_operation_of_a_supervisor_is_documented():
    assert set(re.findall(r'"op": "(\w+)"', wire.__doc__)) == set(supervisor._OPERATIONS)


def test_other_versions_are_refused():
    with pytest.raises(wire.FrameError, match="version 9"):
        wire.FrameReader().feed(b"\x09" + bytes(7))


def test_endless_frames_are_refused():
    with pytest.raises(wire.FrameError, match="too long"):
        wire.FrameReader().feed(wire.HEADER.pack(wire.VERSION, wire.STDIN, 0, wire.MAX_FRAME + 1))
