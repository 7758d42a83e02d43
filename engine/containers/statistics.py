"""Owns ``stats``: what containers use, from reading to reading; refuses to start any process.

Sources: docker/cli command/container/stats_helpers.go, moby daemon/stats_unix.go.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from engine import loop
from engine.containers.folding import current, seen
from engine.records import ContainerStats
from engine.runtime.cgroups.usage import Usage, read_members, read_usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.containers.parts import Parts
    from engine.options import StatsOptions
    from engine.records import Container

_FIRST = 0.5
"""Seconds, at most, between the two readings that the first answer needs."""


class _Meter:
    """One run of one container: where to read, and what was read last."""

    def __init__(self, members: tuple[str, ...], pid: int) -> None:
        self.members = members
        self.pid = pid
        self._time = 0
        self._cpu = 0

    def read(self, *, own_network: bool) -> tuple[Usage, float]:
        """What is used now, and the percentage of one CPU since the last reading."""
        now, usage = time.monotonic_ns(), read_usage(self.members, self.pid, own_network=own_network)
        elapsed, used = now - self._time, usage.cpu - self._cpu
        percent = 100.0 * used / elapsed if self._time and elapsed > 0 and used > 0 else 0.0
        self._time, self._cpu = now, usage.cpu
        return usage, percent


async def stats(parts: Parts, wanted: StatsOptions) -> AsyncIterator[tuple[ContainerStats, ...]]:
    """What the containers use, one tuple every interval; NotFound if one of those named is not there."""
    await loop.begin()
    chosen = [(await current(parts, name)).container.id for name in wanted.containers]
    meters: dict[str, _Meter] = {}
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for container in await _containers(parts, wanted, chosen):
        _meter(parts, meters, container).read(own_network=False)
    import asyncio

    pause = min(wanted.interval, _FIRST)
    while True:
        await asyncio.sleep(pause)
        containers = await _containers(parts, wanted, chosen)
        for gone in meters.keys() - {container.id for container in containers}:
            del meters[gone]
        yield tuple(_stats(container, _meter(parts, meters, container), most) for container in containers)
        if not wanted.stream:
            return
        pause = wanted.interval


async def _containers(parts: Parts, wanted: StatsOptions, chosen: list[str]) -> list[Container]:
    if chosen:
        known = [parts.records.get(container_id) for container_id in chosen]
    else:
        known = list(parts.records.list())
    rows = [await seen(parts, row) for row in known if row is not None]
    containers = [row.container for row in rows if row is not None]
    every = wanted.all or chosen
    return [container for container in containers if every or container.state.running]


def _meter(parts: Parts, meters: dict[str, _Meter], container: Container) -> _Meter:
    meter = meters.get(container.id)
    if meter is None or meter.pid != container.state.pid:
        members = read_members(parts.paths.container_bundle(container.id)) if container.state.pid else ()
        meter = meters[container.id] = _Meter(members, container.state.pid)
    return meter


def _stats(container: Container, meter: _Meter, most: int) -> ContainerStats:
    usage, percent = meter.read(own_network=container.options.network != "host")
    limit = usage.memory_limit if 0 < usage.memory_limit < most else most
    return ContainerStats(
        id=container.id,
        name=container.name,
        time=time.time_ns(),
        running=bool(meter.members),
        cpu_percent=percent,
        memory=usage.memory,
        memory_limit=limit if meter.members else 0,
        network_received=usage.received,
        network_sent=usage.sent,
        block_read=usage.block_read,
        block_written=usage.block_written,
        pids=usage.pids,
    )
