"""Owns timing: one command from start to end, the peers by turns, so that drift hits all alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.peers import Peer

_SETTLE_SECONDS = 0.3


@dataclass(frozen=True)
class Case:
    """One thing that is measured: ``command`` gives the arguments, the rest happens outside of the clock.

    ``timer`` measures something that is not the run of a command; it returns seconds, or with another
    ``unit`` than ms a number of that. ``apart`` gives every peer a host of its own
    (``tests.support.netlab_hosts``), ``memory`` a store in memory.
    """

    name: str
    what: str
    rounds: int
    command: Callable[[Peer], Sequence[str]] = lambda _peer: ()
    prepare: Callable[[Peer], None] = lambda _peer: None
    before: Callable[[Peer], None] = lambda _peer: None
    finish: Callable[[Peer], None] = lambda _peer: None
    timer: Callable[[Peer], float] | None = None
    only: str = ""
    unit: str = "ms"
    apart: bool = False
    memory: bool = False


@dataclass(frozen=True)
class Samples:
    """Seconds (or what the case counts) of every round of one case on one peer."""

    case: str
    peer: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The lower and the upper quartile: half of the rounds lie between."""
        if len(self.seconds) == 1:
            return self.seconds[0], self.seconds[0]
        cut = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return cut[0], cut[2]


def measure(case: Case, peers: Sequence[Peer]) -> tuple[list[Samples], dict[str, str]]:
    """Run ``case`` on every peer by turns (A B C A B C …), after one round that does not count.

    A peer that fails is left out from then on; the second value says why, by its name.
    """
    seconds: dict[str, list[float]] = {peer.name: [] for peer in peers if case.only in {"", peer.name}}
    failures: dict[str, str] = {}
    chosen = [peer for peer in peers if peer.name in seconds]
    rounds: list[Callable[[Peer], object]] = [case.prepare]
    rounds += [lambda peer: _round(case, peer)] * (case.rounds + 1)
    for number, step in enumerate((*rounds, case.finish)):
        for peer in chosen:
            if peer.name in failures:
                continue
            try:
                taken = step(peer)
            except RuntimeError as error:
                failures[peer.name] = str(error)
                continue
            if isinstance(taken, float) and number > 1:
                seconds[peer.name].append(taken)
    samples = [
        Samples(case.name, name, tuple(values)) for name, values in seconds.items() if name not in failures
    ]
    return samples, failures


def _round(case: Case, peer: Peer) -> float:
    case.before(peer)
    # What the one before left to the kernel (namespaces, cgroups) is not billed to the next.
    time.sleep(_SETTLE_SECONDS)
    return case.timer(peer) if case.timer else timed(peer, case.command(peer))


def timed(peer: Peer, arguments: Sequence[str]) -> float:
    """Seconds of wall time that one command takes; its output goes through a pipe, as to a reader."""
    command = [*peer.command, *arguments]
    environ = peer.environment()
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    tail = b""
    while data := os.read(process.stdout.fileno(), 1 << 20):
        tail = (tail + data)[-2000:]
    code = process.wait()
    taken = time.perf_counter() - begin
    process.stdout.close()
    if code != 0:
        raise RuntimeError(
            f"{peer.name} {' '.join(arguments)}: exit code {code}: {tail.decode(errors='replace')}"
        )
    return taken
