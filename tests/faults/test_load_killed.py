"""A load that is killed at any moment leaves a whole image or none, and nothing for ever."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from engine.engine import Engine
from engine.events import ignore_progress
from engine.options import ImageFilter, ImportOptions, LoadOptions, PruneOptions, SaveOptions
from tests.support.tars import member, tar

pytestmark = pytest.mark.root

PROGRAM = """
import asyncio, sys
from engine.engine import Engine
from engine.events import ignore_progress
from engine.options import LoadOptions
from engine.paths import Paths
async def main():
    async with await Engine.open(Paths(root=sys.argv[1], run=sys.argv[2])) as engine:
        print("open", flush=True)
        await engine.images.load(LoadOptions(path=sys.argv[3]), ignore_progress)
        print("done", flush=True)
asyncio.run(main())
"""


async def make_archive(folder, paths) -> str:
    content = [member(f"d{number % 7}/f{number}", os.urandom(3000)) for number in range(600)]
    (folder / "root.tar").write_bytes(tar(*content))
    async with await Engine.open(paths) as engine:
        await engine.images.import_(
            ImportOptions(path=str(folder / "root.tar"), reference="x:1"), ignore_progress
        )
        await engine.images.save(
            SaveOptions(references=("x:1",), path=str(folder / "image.tar")), ignore_progress
        )
        await engine.images.prune(PruneOptions(all=True))
    return str(folder / "image.tar")


async def test_kill_during_load(tmp_path, paths):
    archive = await make_archive(tmp_path, paths)
    chance = random.Random(7)
    for _ in range(5):
        await kill_one_load(paths, archive, chance.uniform(0, 0.2))
        async with await Engine.open(paths) as engine:
            for image in await engine.images.list(ImageFilter()):
                (chain_id,) = image.chain_ids
                files = [name for _, _, names in os.walk(paths.layer(chain_id)) for name in names]
                assert len(files) == 600
            (loaded,) = await engine.images.load(LoadOptions(path=archive), ignore_progress)
            assert (loaded.size, loaded.names) == (1_800_000, ("x:1",))
            assert os.listdir(paths.staging) == []
            await engine.images.prune(PruneOptions(all=True))
            for folder in (paths.layers, paths.blobs, paths.staging):
                assert os.listdir(folder) == []


async def kill_one_load(paths, archive: str, seconds: float) -> None:
    command = [sys.executable, "-c", PROGRAM, paths.root, paths.run, archive]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.stdout.read()
