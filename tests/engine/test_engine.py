from __future__ import annotations

import os
import stat
import subprocess
import sys
import time

import pytest

from engine.engine import Engine
from engine.errors import StoreFailure
from engine.paths import Paths
from tests.support.containers import sh, started

pytestmark = pytest.mark.root


async def test_opening_makes_folders_that_only_root_enters(paths):
    async with await Engine.open(paths):
        inner = (paths.containers, paths.volumes, paths.layers, paths.staging, f"{paths.root}/blobs")
        for folder in (paths.root, paths.run, f"{paths.run}/c", *inner):
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder


async def test_a_root_that_cannot_be_made_is_named(short_folder):
    with open(f"{short_folder}/file", "w"):
        pass
    with pytest.raises(StoreFailure, match=f"{short_folder}/file/root"):
        await Engine.open(Paths(root=f"{short_folder}/file/root", run=f"{short_folder}/run"))


async def test_opening_an_existing_root_is_quick(paths):
    async with await Engine.open(paths):
        pass
    best = 1.0
    for _ in range(5):
        begun = time.perf_counter()
        engine = await Engine.open(paths)
        best = min(best, time.perf_counter() - begun)
        await engine.close()
    assert best < 0.05


async def test_closing_leaves_no_spawner(paths):
    children = set(_children())
    async with await Engine.open(paths):
        assert set(_children()) > children
    assert set(_children()) <= children


async def test_info_counts_containers_and_names_the_machine(engine, busybox_image):
    await engine.containers.create(sh("true"))
    await started(engine, sh("sleep 60"))
    paused = await started(engine, sh("sleep 60"))
    await engine.containers.pause(paused.id)
    info = await engine.info()
    assert (info.containers, info.containers_running, info.containers_paused, info.containers_stopped) == (
        3,
        1,
        1,
        1,
    )
    assert info.images == 1
    assert info.kernel == os.uname().release
    assert info.memory > 1 << 28
    assert info.cgroup_version in {"1", "2"}


def test_listing_containers_imports_neither_networks_nor_builds():
    script = "import sys, engine.engine, engine.containers; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    unwanted = {
        "engine.networks", "engine.builds", "engine.dockerfile.parse", "pyroute2", "tarfile", "zstandard"
    }  # fmt: skip
    assert not unwanted & set(modules)


def _children() -> list[str]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return file.read().split()
