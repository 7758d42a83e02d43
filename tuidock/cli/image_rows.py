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


def rows(images: Iterable[Image], now: int, *, truncate: bool, digests: bool) -> Iterator[dict[str, Any]]:
    """One row a name, with ``digests`` one for each digest of its repository.

    A repository that names it by digests alone has ``<none>`` for a tag; an image without a name for all.
    """
    for image in images:
        for repository, tag, digest in _shown(image, digests=digests):
            yield _row(image, (repository, tag, digest), now, truncate=truncate)


def _shown(image: Image, *, digests: bool) -> Iterator[tuple[str, str, str]]:
    """(repository, tag, digest) of each row."""
    known: dict[str, list[str]] = {}
    for repository, _, digest in (one.partition("@") for one in image.digests):
        known.setdefault(repository, []).append(digest)
    tagged = [split_name(name) for name in image.names]
    for repository, tag in tagged:
        for digest in (known.get(repository) if digests else None) or [_NONE]:
            yield repository, tag, digest
    bare = {repository: held for repository, held in known.items() if repository not in dict(tagged)}
    for repository, held in bare.items():
        for digest in held if digests else [_NONE]:
            yield repository, _NONE, digest
    if not tagged and not bare:
        yield _NONE, _NONE, _NONE


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


def _row(image: Image, name: tuple[str, str, str], now: int, *, truncate: bool) -> dict[str, Any]:
    repository, tag, digest = name
    return {
        "ID": image.id.removeprefix("sha256:")[:_SHORT_ID] if truncate else image.id,
        "Repository": repository,
        "Tag": tag,
        "Digest": digest,
        "CreatedSince": ago(image.created, now),
        "CreatedAt": local_time(image.created),
        "Size": human_size(image.size),
        "Containers": str(image.containers),
    }
