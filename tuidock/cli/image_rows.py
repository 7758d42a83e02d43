"""Owns how images and their history look in lists, in Docker's words; refuses I/O.

Source: docker/cli command/formatter/image.go and command/image/formatter_history.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli.listing import Layout, shortened
from tuidock.cli.units import ago, local_time, rfc3339
from tuidock.sizes import human_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.records import HistoryEntry, Image

_SHORT_ID = 12
_CREATED_BY_WIDTH = 45
_NONE = "<none>"

_TITLES = {
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
}
LAYOUT = Layout(titles=dict(_TITLES), columns=("Repository", "Tag", "ID", "CreatedSince", "Size"), quiet="ID")
LAYOUT_WITH_DIGESTS = Layout(
    titles=dict(_TITLES),
    columns=("Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"),
    quiet="ID",
)
HISTORY_LAYOUT = Layout(
    titles={
        "ID": "IMAGE",
        "CreatedSince": "CREATED",
        "CreatedAt": "CREATED AT",
        "CreatedBy": "CREATED BY",
        "Size": "SIZE",
        "Comment": "COMMENT",
    },
    columns=("ID", "CreatedSince", "CreatedBy", "Size", "Comment"),
    quiet="ID",
)


def rows(images: Iterable[Image], now: int, *, truncate: bool) -> Iterator[dict[str, Any]]:
    """One row a name; an image without one has ``<none>``."""
    for image in images:
        for name in image.names or (f"{_NONE}:{_NONE}",):
            yield _row(image, name, now, truncate=truncate)


def split_name(name: str) -> tuple[str, str]:
    """Repository and tag of a familiar reference: ``host:5000/app:1`` → ("host:5000/app", "1")."""
    bare = name.partition("@")[0]
    repository, colon, tag = bare.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (bare, _NONE)


def history_row(entry: HistoryEntry, now: int, *, truncate: bool, human: bool) -> dict[str, Any]:
    """The fields of one row of ``history``."""
    identity = entry.image_id.removeprefix("sha256:")[:_SHORT_ID] if truncate else entry.image_id
    created_by = entry.created_by.replace("\t", " ")
    return {
        "ID": identity or "<missing>",
        "CreatedSince": ago(entry.created, now) if human else rfc3339(entry.created),
        "CreatedAt": rfc3339(entry.created),
        "CreatedBy": shortened(created_by, _CREATED_BY_WIDTH) if truncate else created_by,
        "Size": human_size(entry.size) if human else str(entry.size),
        "Comment": entry.comment,
    }


def _row(image: Image, name: str, now: int, *, truncate: bool) -> dict[str, Any]:
    repository, tag = split_name(name)
    return {
        "ID": image.id.removeprefix("sha256:")[:_SHORT_ID] if truncate else image.id,
        "Repository": repository,
        "Tag": tag,
        "Digest": next(iter(image.digests), _NONE).rpartition("@")[2],
        "CreatedSince": ago(image.created, now),
        "CreatedAt": local_time(image.created),
        "Size": human_size(image.size),
        "Containers": str(image.containers),
    }
