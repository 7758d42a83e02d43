"""Owns ``system df``: where the space went, in a table of four rows or, with -v, in full."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tuidock.cli import container_rows, listing, output
from tuidock.cli.command import CannotStart, Command, Invocation
from tuidock.cli.flags import switch
from tuidock.cli.units import ago
from tuidock.sizes import human_size

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import DiskUsage

_DIGITS = 4
_SHORT_ID = 12
_LAYOUT = listing.Layout(
    titles={
        "Type": "TYPE",
        "TotalCount": "TOTAL",
        "Active": "ACTIVE",
        "Size": "SIZE",
        "Reclaimable": "RECLAIMABLE",
    },
    columns=("Type", "TotalCount", "Active", "Size", "Reclaimable"),
    quiet="Type",
)
_ALIVE = frozenset({"running", "paused", "restarting"})


def _check(invocation: Invocation) -> None:
    if invocation.switch("verbose") and invocation.text("format").startswith("table"):
        raise CannotStart("the verbose and the table format options conflict")
    listing.check_format(invocation.text("format"))


async def _df(engine: Engine, invocation: Invocation) -> int:
    found = await engine.disk_usage()
    source = invocation.text("format")
    if invocation.switch("verbose"):
        sections = _sections(found, time.time_ns())
        if source:
            rows = {name: rows for name, _, rows, _ in sections}
            output.line(listing.rendered_document(rows, source, of_rows=True))
        else:
            output.text("\n".join(_shown(title, rows, columns) for _, title, rows, columns in sections))
        return 0
    listing.show(_summary(found), _LAYOUT, source)
    return 0


def _summary(found: DiskUsage) -> list[dict[str, str]]:
    containers = [(each.container.state.status in _ALIVE, each.size) for each in found.containers]
    volumes = [(each.links > 0, each.size) for each in found.volumes]
    active_images = sum(each.image.containers > 0 for each in found.images)
    active_cache = sum(each.shared for each in found.cache)
    return [
        _row("Images", (len(found.images), active_images), found.images_size, found.images_reclaimable),
        _counted("Containers", containers),
        _counted("Local Volumes", volumes),
        _row("Build Cache", (len(found.cache), active_cache), found.cache_size, found.cache_size),
    ]


def _counted(kind: str, things: list[tuple[bool, int]]) -> dict[str, str]:
    """A row of things, each of which (in use, bytes)."""
    spare = sum(size for used, size in things if not used)
    active = sum(used for used, _ in things)
    return _row(kind, (len(things), active), sum(size for _, size in things), spare)


def _row(kind: str, counts: tuple[int, int], size: int, spare: int) -> dict[str, str]:
    part = f" ({spare * 100 // size}%)" if size and kind != "Build Cache" else ""
    return {
        "Type": kind,
        "TotalCount": str(counts[0]),
        "Active": str(counts[1]),
        "Size": human_size(size, _DIGITS),
        "Reclaimable": f"{human_size(spare, _DIGITS)}{part}",
    }


Section = tuple[str, str, list[dict[str, Any]], dict[str, str]]


def _sections(found: DiskUsage, now: int) -> list[Section]:
    return [
        ("Images", "Images space usage:", _images(found, now), _IMAGE_COLUMNS),
        ("Containers", "Containers space usage:", _containers(found, now), _CONTAINER_COLUMNS),
        ("Volumes", "Local Volumes space usage:", _volumes(found), _VOLUME_COLUMNS),
        (
            "BuildCache",
            f"Build cache usage: {human_size(found.cache_size, _DIGITS)}",
            _cache(found, now),
            _CACHE_COLUMNS,
        ),
    ]


_IMAGE_COLUMNS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "Containers": "CONTAINERS",
}
_CONTAINER_COLUMNS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "LocalVolumes": "LOCAL VOLUMES",
    "Size": "SIZE",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Names": "NAMES",
}
_VOLUME_COLUMNS = {"Name": "VOLUME NAME", "Links": "LINKS", "Size": "SIZE"}
_CACHE_COLUMNS = {
    "ID": "CACHE ID",
    "CacheType": "CACHE TYPE",
    "Size": "SIZE",
    "CreatedSince": "CREATED",
    "LastUsedSince": "LAST USED",
    "Shared": "SHARED",
}


def _images(found: DiskUsage, now: int) -> list[dict[str, Any]]:
    rows = []
    for each in found.images:
        name = each.image.names[0] if each.image.names else "<none>:<none>"
        repository, _, tag = name.rpartition(":")
        rows.append(
            {
                "Repository": repository,
                "Tag": tag,
                "ID": each.image.id.removeprefix("sha256:")[:_SHORT_ID],
                "CreatedSince": ago(each.image.created, now),
                "Size": human_size(each.image.size),
                "SharedSize": human_size(each.shared, _DIGITS),
                "UniqueSize": human_size(each.unique, _DIGITS),
                "Containers": str(each.image.containers),
            }
        )
    return rows


def _containers(found: DiskUsage, now: int) -> list[dict[str, Any]]:
    rows = []
    for each in found.containers:
        row = container_rows.row(each.container, now, truncate=True, size=human_size(each.size))
        rows.append({name: row[name] for name in _CONTAINER_COLUMNS})
    return rows


def _volumes(found: DiskUsage) -> list[dict[str, Any]]:
    return [
        {"Name": each.volume.name, "Links": str(each.links), "Size": human_size(each.size)}
        for each in found.volumes
    ]


def _cache(found: DiskUsage, now: int) -> list[dict[str, Any]]:
    return [
        {
            "ID": each.id.removeprefix("sha256:")[:_SHORT_ID],
            "CacheType": "regular",
            "Size": human_size(each.size),
            "CreatedSince": ago(each.created, now),
            "LastUsedSince": ago(each.used, now),
            "Shared": str(each.shared).lower(),
        }
        for each in found.cache
    ]


def _shown(title: str, rows: list[dict[str, Any]], columns: dict[str, str]) -> str:
    layout = listing.Layout(titles=dict(columns), columns=tuple(columns), quiet="")
    return f"{title}\n\n{listing.text_of(rows, layout, '')}"


DF = Command(
    usage="[OPTIONS]",
    run=_df,
    flags=(listing.format_flag(), switch("verbose", "Show detailed information on space usage", "v")),
    check=_check,
)
