"""Owns the measurement of an engine that is open already, as in the terminal interface; is the program too.

The program opens an engine and then, for each network named on a line of its input, runs one container to
its end and writes the seconds that took.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.peers import Peer
    from engine.engine import Engine


class WarmEngine:
    """A running engine of ours in a process of its own; ``start`` and ``stop`` are a case's ends."""

    def __init__(self, network: str) -> None:
        self._network = network
        self._process: subprocess.Popen[str] | None = None

    def start(self, peer: Peer) -> None:
        """Open the engine."""
        from bench.peers import on_host

        self._process = subprocess.Popen(
            on_host(peer.hosts, sys.executable, "-m", "bench.warm"),
            env=peer.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, peer: Peer) -> float:
        """Seconds from the call of create to the return of wait, of one container that runs ``true``."""
        return self._run(peer, self._network)

    def more_than_none(self, peer: Peer) -> float:
        """The seconds more than it takes with the network ``none``, of two containers one after the other."""
        without = self._run(peer, "none")
        return self._run(peer, self._network) - without

    def _run(self, peer: Peer, network: str) -> float:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{network}\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{peer.name}: the open engine ended with {process.wait()}")
        return float(line)

    def stop(self, _peer: Peer) -> None:
        """Close the engine."""
        if self._process is not None:
            self._process.communicate()


async def _serve() -> None:
    from engine.engine import Engine
    from engine.paths import default_paths

    async with await Engine.open(default_paths(os.environ, os.geteuid())) as engine:
        for line in sys.stdin:
            print(await _one(engine, line.strip()), flush=True)


async def _one(engine: Engine, network: str) -> float:
    from bench.peers import IMAGE
    from engine.options import AttachOptions, CreateOptions

    options = CreateOptions(image=IMAGE, command=("true",), network=network, auto_remove=True)
    begin = time.perf_counter()
    container = await engine.containers.create(options)
    session = await engine.containers.start_attached(container.id, AttachOptions(stdin=False))
    code = await session.wait()
    taken = time.perf_counter() - begin
    if code != 0:
        raise RuntimeError(f"true ended with {code}")
    return taken


if __name__ == "__main__":
    asyncio.run(_serve())
