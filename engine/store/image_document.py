"""Owns what ``image inspect`` and ``history`` show, in Docker's JSON shape; refuses I/O.

Source: Docker Engine API v1.47, ImageInspect and ImageHistory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.oci.instant import from_rfc3339, to_rfc3339
from engine.records import HistoryEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.oci.config import ContainerConfig, ImageConfig
    from engine.records import Image

_MISSING = "<missing>"


def to_inspect(image: Image, config: ImageConfig, upper: Sequence[str], tagged: int) -> dict[str, Any]:
    """The document of one image; ``upper`` are its layers' directories, top first, ``tagged`` in ns."""
    drivers = {"Name": "overlay2", "Data": _overlay(upper)}
    document: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": list(image.names),
        "RepoDigests": list(image.digests),
        "Parent": "",
        "Comment": config.history[-1].comment if config.history else "",
        "Created": config.created or to_rfc3339(0),
        "DockerVersion": "",
        "Author": config.author,
        "Config": to_docker_config(config.config),
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": image.size,
        "GraphDriver": drivers,
        "RootFS": {"Type": config.rootfs.type, "Layers": list(config.rootfs.diff_ids)},
        "Metadata": {"LastTagTime": to_rfc3339(tagged)},
    }
    if config.variant:
        document["Variant"] = config.variant
    return document


def to_docker_config(config: ContainerConfig) -> dict[str, Any]:
    """``config`` with every key that Docker shows, lists that are empty as null."""
    document: dict[str, Any] = {
        "Hostname": config.hostname,
        "Domainname": "",
        "User": config.user,
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": list(config.env) or None,
        "Cmd": list(config.cmd) or None,
        "Image": "",
        "Volumes": config.volumes or None,
        "WorkingDir": config.working_dir,
        "Entrypoint": list(config.entrypoint) or None,
        "OnBuild": list(config.on_build) or None,
        "Labels": config.labels or None,
    }
    optional: dict[str, Any] = {
        "ExposedPorts": config.exposed_ports,
        "StopSignal": config.stop_signal,
        "StopTimeout": config.stop_timeout,
        "Shell": list(config.shell),
        "ArgsEscaped": config.args_escaped,
        "Healthcheck": _health(config),
    }
    return document | {key: value for key, value in optional.items() if value}


def to_history(image: Image, config: ImageConfig, sizes: Sequence[int]) -> tuple[HistoryEntry, ...]:
    """The image's rows, newest first; ``sizes`` of its layers, bottom first."""
    newest_first = reversed(tuple(_rows(config, sizes)))
    return tuple(
        HistoryEntry(
            image_id=_MISSING if depth else image.id,
            created=created,
            created_by=created_by,
            size=size,
            comment=comment,
            tags=() if depth else image.names,
        )
        for depth, (created, created_by, comment, size) in enumerate(newest_first)
    )


def _rows(config: ImageConfig, sizes: Sequence[int]) -> Iterator[tuple[int, str, str, int]]:
    remaining = iter(sizes)
    for row in config.history:
        size = 0 if row.empty_layer else next(remaining, 0)
        yield from_rfc3339(row.created), row.created_by, row.comment, size
    for size in remaining:  # written by a tool that keeps no history
        yield from_rfc3339(config.created), "", "", size


def _overlay(upper: Sequence[str]) -> dict[str, str]:
    if not upper:
        return {}
    top, *lowers = upper
    data = {"UpperDir": top}
    return {"LowerDir": ":".join(lowers), **data} if lowers else data


def _health(config: ContainerConfig) -> dict[str, Any] | None:
    health = config.healthcheck
    if health is None:
        return None
    fields: dict[str, Any] = {
        "Test": list(health.test),
        "Interval": health.interval,
        "Timeout": health.timeout,
        "StartPeriod": health.start_period,
        "StartInterval": health.start_interval,
        "Retries": health.retries,
    }
    return {key: value for key, value in fields.items() if value}
