"""The loop outlives what images and clients ask of it."""

from __future__ import annotations

import json
import socket

from engine.shim import wire
from engine.shim.loop import Client, Loop


def test_a_timer_beyond_what_the_kernel_can_wait_for_is_none_yet():
    """An image names the interval of its health check, in nanoseconds of 64 bits."""
    loop, called = Loop(), []
    ours, theirs = socket.socketpair()
    loop.watch(ours.fileno(), 1, lambda _: called.append("ready"))
    loop.after(2.0**33, lambda: called.append("timer"))
    theirs.send(b"x")
    loop.turn()
    ours.close()
    theirs.close()
    assert called == ["ready"]


def test_a_client_whose_frames_are_nested_without_end_is_dropped():
    loop = Loop()
    ours, theirs = socket.socketpair()
    client = Client(loop, ours)
    client.on_frame = lambda _client, _kind, body: json.loads(body)
    theirs.send(wire.pack(wire.RESIZE, b"[" * 100_000))
    while not client.closed:
        loop.turn(1000)
    theirs.close()
    assert client.closed
