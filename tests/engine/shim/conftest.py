"""Owns the fixtures of the shim's tests: a launcher, and a container that is gone afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from engine.paths import Paths
from engine.runtime.launcher import Launcher
from engine.runtime.session import Session
from engine.shim import lock
from tests.support.bundles import make_bundle
from tests.support.leftovers import leftovers

Run = Callable[..., Awaitable[tuple[int, bytes, bytes]]]


@pytest.fixture
async def launcher() -> AsyncIterator[Launcher]:
    opened = Launcher.open()
    yield opened
    opened.close()


class Box:
    """Starts containers on one busybox tree and remembers their bundles."""

    def __init__(self, paths: Paths, tree: str, launcher: Launcher) -> None:
        self.paths = paths
        self.tree = tree
        self.launcher = launcher
        self.bundles: list[dict[str, Any]] = []

    def bundle(self, *args: str, **changes: Any) -> dict[str, Any]:
        made = make_bundle(self.paths, self.tree, *args, **changes)
        self.bundles.append(made)
        return made

    async def start(self, *args: str, stdin: bool = False, size: Any = None, **changes: Any) -> Session:
        made = self.bundle(*args, stdin_open=stdin, **changes)
        session = await self.launcher.supervise(made, attach=True, stdin=stdin, size=size)
        assert session is not None
        return session

    async def run(self, *args: str, **changes: Any) -> tuple[int, bytes, bytes]:
        return await finish(await self.start(*args, **changes))

    async def execute(self, bundle: dict[str, Any]) -> tuple[int, bytes, bytes]:
        session = await self.launcher.supervise(bundle, attach=True)
        assert session is not None
        return await finish(session)

    @property
    def last(self) -> dict[str, Any]:
        return self.bundles[-1]


async def finish(session: Session) -> tuple[int, bytes, bytes]:
    output = {"stdout": b"", "stderr": b""}
    while (chunk := await session.read()) is not None:
        output[chunk[0]] += chunk[1]
    return await session.wait(), output["stdout"], output["stderr"]


@pytest.fixture
async def box(paths: Paths, busybox_tree: str, launcher: Launcher) -> AsyncIterator[Box]:
    made = Box(paths, busybox_tree, launcher)
    yield made
    import os
    import signal

    for bundle in made.bundles:
        if pid := lock.lock_holder(bundle["lock_path"]):
            os.kill(pid, signal.SIGKILL)
        if os.path.isdir(bundle["run_dir"]):
            while not (await launcher.work("engine.shim.reap:reap", {"run_dir": bundle["run_dir"]}))[
                "reaped"
            ]:
                pass
    assert leftovers(paths, [bundle["id"] for bundle in made.bundles]) == []
