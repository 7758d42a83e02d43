"""Owns starting many containers from one process: ``netlab_crowd.py COUNT NETWORK FOLDER SCRIPT``.

Each is called ``member`` and its number, has FOLDER at /seen, and runs SCRIPT, in which NEXT is the next one's name.
"""

from __future__ import annotations

import asyncio
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from engine.engine import Engine
from engine.options import CreateOptions, MountSpec
from engine.paths import default_paths

_AT_ONCE = 8


async def main(count: int, network: str, folder: str, script: str) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)
    async with await Engine.open(default_paths(os.environ, os.geteuid())) as engine:

        async def start(number: int) -> None:
            name, follower = f"member{number}", f"member{(number + 1) % count}"
            options = CreateOptions(
                image="busybox",
                name=name,
                hostname=name,
                network=network,
                mounts=(MountSpec(type="bind", source=folder, target="/seen"),),
                command=("sh", "-c", script.replace("NEXT", follower)),
            )
            async with turns:
                await engine.containers.start((await engine.containers.create(options)).id)

        await asyncio.gather(*map(start, range(count)))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
