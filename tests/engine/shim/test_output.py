"""What is read of an output, and when reading ends."""

from __future__ import annotations

import os

from engine.shim.loop import HIGH, Loop
from engine.shim.output import Output
from engine.shim.scrollback import Scrollback


def test_an_end_is_reached_though_others_go_on_writing():
    """A process can pass the end of its pipe to one of another container, which outlives it."""
    endless = os.open("/dev/zero", os.O_RDONLY)
    output = Output(Loop(), Scrollback(1000, "all"))
    output.take({endless: 1}, -1)
    output.drain()
    assert output.end == HIGH


def test_all_is_read_that_a_pipe_holds_at_the_end():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"x" * 60_000)
    output = Output(Loop(), Scrollback(100_000, "all"))
    output.take({reading: 1}, -1)
    output.drain()
    os.close(writing)
    assert output.end == 60_000
