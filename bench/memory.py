"""Owns the measurement of what an idle detached container costs in memory: PSS of the processes above it."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from bench.peers import IMAGE

if TYPE_CHECKING:
    from bench.peers import Peer

_MONITORS = {"tuidock": "tuidock-superv", "docker": "containerd-shim", "podman": "conmon"}
"""What the kernel calls the process that each engine keeps per container (15 bytes of it)."""


class IdleContainers:
    """``count`` containers that sleep; the shared daemons of a peer are not counted."""

    def __init__(self, count: int) -> None:
        self._names = [f"bench-idle-{number}" for number in range(count)]
        self._others: set[int] = set()

    def start(self, peer: Peer) -> None:
        """Start them."""
        self._others |= set(_processes(_MONITORS[peer.name]))
        for name in self._names:
            peer.call("run", "-d", "--name", name, "--network", "none", IMAGE, "sleep", "3600")

    def megabytes(self, peer: Peer) -> float:
        """Proportional set size of one container's monitor on average, in units of 10**6 bytes."""
        sizes = [_pss(pid) for pid in _processes(_MONITORS[peer.name]) if pid not in self._others]
        if len(sizes) < len(self._names):
            raise RuntimeError(f"{peer.name}: {len(sizes)} monitors for {len(self._names)} containers")
        return sum(sizes) / len(self._names) / 1e6

    def stop(self, peer: Peer) -> None:
        """Remove them."""
        peer.call("rm", "-f", *self._names)


def _processes(name: str) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                if file.read().strip() == name[:15]:
                    found.append(int(pid))
        except OSError:
            continue
    return found


def process_memory(mark: bytes) -> int:
    """Proportional set size in bytes of all processes that have ``mark`` in their environment."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, StopIteration), open(f"/proc/{pid}/environ", "rb") as file:
            if mark in file.read().split(b"\0"):
                total += _pss(int(pid))
    return total


def _pss(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("Pss:"))
