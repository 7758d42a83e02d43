"""Clients of a supervisor that cannot take them now."""

from __future__ import annotations

import asyncio
import os
import resource

import pytest

from engine.shim import lock
from tests.support.supervisor import ask, kill

pytestmark = pytest.mark.root


async def test_client_that_cannot_be_taken_is_served_later(box):
    session = await box.start("sleep", "60")
    supervisor = lock.lock_holder(box.last["lock_path"])
    limits = resource.prlimit(supervisor, resource.RLIMIT_NOFILE)
    opened = {int(name) for name in os.listdir(f"/proc/{supervisor}/fd")}
    free = min(set(range(len(opened) + 1)) - opened)
    resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (free, limits[1]))
    asked = asyncio.create_task(ask(box, "status"))
    asleep = 0
    async with asyncio.timeout(10):
        while asleep < 30:  # one that asks about it again and again is never seen to sleep
            await asyncio.sleep(0.01)
            with open(f"/proc/{supervisor}/stat", encoding="ascii") as file:
                asleep = asleep + 1 if file.read().rpartition(") ")[2][0] == "S" else 0
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, limits)
        assert (await asked)["status"] == "running"
    await kill(box)
    await session.wait()
