"""Owns what a test says to a supervisor: requests on its socket, reading, killing its container."""

from __future__ import annotations

import asyncio
import signal

import pytest

from engine.runtime import dialing


async def read_until(session, text: bytes) -> bytes:
    output = b""
    while text not in output:
        try:
            chunk = await asyncio.wait_for(session.read(), 10)
        except TimeoutError:
            pytest.fail(f"only {output!r} came")
        assert chunk is not None, output
        output += chunk[1]
    return output


async def ask(box, op: str, **fields):
    return await dialing.request(box.last["socket_path"], {"op": op, **fields})


async def joined(box, op: str, **fields):
    return await dialing.attached(box.last["socket_path"], {"op": op, **fields})


async def kill(box) -> None:
    waiting = await joined(box, "wait")
    await ask(box, "signal", signal=int(signal.SIGKILL))
    await waiting.wait()
