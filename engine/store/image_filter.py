"""Owns which images a list or a prune is about: Docker's filters as a pure selection; refuses look-ups.

Source: docker image ls --filter and docker image prune --filter.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.dockerfile.duration import parse_duration
from engine.dockerfile.match import match
from engine.errors import InvalidInput
from engine.oci import reference as references
from engine.oci.instant import from_rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.options import ImageFilter
    from engine.records import Image

LIST_KEYS = frozenset({"dangling", "label", "before", "since", "reference", "until"})
PRUNE_KEYS = frozenset({"dangling", "label", "label!", "until"})
_BOOLEANS = {"1": True, "true": True, "t": True, "0": False, "false": False, "f": False}
_SECOND = 1_000_000_000


def select(
    images: Iterable[Image], wanted: ImageFilter, resolve: Callable[[str], Image]
) -> tuple[Image, ...]:
    """The images that fit; with a reference pattern each keeps the names and digests that fit it.

    ``resolve`` finds the images that ``before`` and ``since`` name. InvalidInput for an unknown filter.
    """
    filters = wanted.filters
    check_keys(filters, LIST_KEYS)
    patterns = [*filters.get("reference", ()), *([wanted.reference] if wanted.reference else [])]
    before = min((resolve(name).created for name in filters.get("before", ())), default=None)
    since = max((resolve(name).created for name in filters.get("since", ())), default=None)
    chosen = [
        image
        for image in images
        if fits(image, filters)
        and (before is None or image.created < before)
        and (since is None or image.created > since)
    ]
    if not patterns:
        return tuple(chosen)
    narrowed = (
        replace(image, names=_fitting(image.names, patterns), digests=_fitting(image.digests, patterns))
        for image in chosen
    )
    return tuple(image for image in narrowed if image.names or image.digests)


def fits(image: Image, filters: Mapping[str, Sequence[str]]) -> bool:
    """Whether the filters that look at the image alone hold: dangling, label, label! and until."""
    dangling = [_boolean("dangling", text) for text in filters.get("dangling", ())]
    return (
        (not dangling or any(_is_dangling(image, wanted=wanted) for wanted in dangling))
        and all(_has_label(image.labels, text) for text in filters.get("label", ()))
        and not any(_has_label(image.labels, text) for text in filters.get("label!", ()))
        and all(image.created < _instant(text) for text in filters.get("until", ()))
    )


def check_keys(filters: Mapping[str, Sequence[str]], known: frozenset[str]) -> None:
    """InvalidInput if a filter is none of the ``known``."""
    for key in filters:
        if key not in known:
            raise InvalidInput(
                f"invalid filter '{key}'",
                "not a filter of images",
                remedy=f"known: {', '.join(sorted(known))}",
            )


def _is_dangling(image: Image, *, wanted: bool) -> bool:
    """What has a digest alone is shown either way, as Docker does; a prune takes it."""
    return not image.names if wanted else bool(image.names or image.digests)


def _fitting(names: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if any(_fits_pattern(name, pattern) for pattern in patterns))


def _fits_pattern(name: str, pattern: str) -> bool:
    reference = references.parse(name)
    forms = (reference.familiar, reference.familiar_name, reference.normalised, reference.name)
    return any(match(pattern, form) for form in forms)


def _has_label(labels: Mapping[str, str], text: str) -> bool:
    key, equals, value = text.partition("=")
    return key in labels and (not equals or labels[key] == value)


def _boolean(key: str, text: str) -> bool:
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise InvalidInput(f"invalid filter '{key}={text}'", "true or false is needed")
    return value


def _instant(text: str) -> int:
    """An instant given as RFC 3339, as seconds since the epoch, or as a duration before now (24h)."""
    if instant := from_rfc3339(text):
        return instant
    if text.isdigit():
        return int(text) * _SECOND
    return time.time_ns() - parse_duration(text)
