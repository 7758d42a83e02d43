"""Owns what a new container will find mounted: its own mounts, those of others, and the volumes behind them.

Source: moby daemon/volumes.go (registerMountPoints). Refuses to mount, and to fill a volume.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.containers.folding import current
from engine.records import Volume
from engine.runtime.file_systems import check_driver, check_volume_options
from engine.runtime.mountpoints import anonymous_volume_name, make_bind_sources, mount_points
from engine.runtime.propagation import check_propagation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.containers.parts import Parts
    from engine.options import CreateOptions
    from engine.records import Container, MountPoint


async def planned_mounts(
    parts: Parts, options: CreateOptions, volumes: Mapping[str, object]
) -> tuple[MountPoint, ...]:
    """The mount points of a container to be; NotFound where a container to take volumes from is none."""
    for spec in options.mounts:
        if spec.type == "volume":
            check_driver(spec.source, spec.driver)
            check_volume_options(spec.source or anonymous_volume_name(), spec.driver_options)
    inherited = [point for spec in options.volumes_from for point in await _inherited(parts, spec)]
    points = mount_points(parts.paths, options, volumes, inherited)
    asked = {spec.target: spec.driver_options for spec in options.mounts}
    return tuple(_with_options(parts, point, asked.get(point.target, {})) for point in points)


def record_volumes(parts: Parts, options: CreateOptions, points: Iterable[MountPoint]) -> list[str]:
    """Record the volumes that ``options`` say more of; the names of all that are new, to be announced."""
    described = {spec.target: spec.labels for spec in options.mounts if spec.labels or spec.driver_options}
    new = []
    for point in points:
        if point.type != "volume" or parts.volumes.find(point.name) is not None:
            continue
        new.append(point.name)
        if point.target in described:
            parts.volumes.put(
                Volume(
                    name=point.name,
                    mountpoint=point.source,
                    created=time.time_ns(),
                    labels=described[point.target],
                    anonymous=point.anonymous,
                    options=point.driver_options,
                )
            )
    return new


def check_mounts(container: Container) -> None:
    """What is to be mounted can be: missing sources of ``-v`` are made again, InvalidInput for others."""
    make_bind_sources(container.options.mounts)
    check_propagation(container.mounts)


async def _inherited(parts: Parts, spec: str) -> list[MountPoint]:
    name, _, modes = spec.partition(":")
    points = (await current(parts, name)).container.mounts
    read_only = "ro" in modes.split(",")
    return [
        replace(point, read_only=point.read_only or read_only, no_copy=True, mode="", short=False)
        for point in points
        if point.type != "tmpfs" or not point.short
    ]


def _with_options(parts: Parts, point: MountPoint, asked: dict[str, str]) -> MountPoint:
    """A volume that exists is what it was made as, whatever is asked now."""
    if point.type != "volume":
        return point
    found = parts.volumes.find(point.name)
    return replace(point, driver_options=asked if found is None else found.options)
