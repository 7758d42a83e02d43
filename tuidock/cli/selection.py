"""Owns ``--filter`` for the lists that the engine gives whole; refuses keys that it does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping


def selected(
    filters: Mapping[str, tuple[str, ...]], fields: Mapping[str, str], labels: Mapping[str, str]
) -> bool:
    """Whether an object passes: of one key any value, of several keys all (``label`` values all).

    ``fields`` are its texts by filter key; names match in part, as Docker's do.
    """
    for key, wanted in filters.items():
        if key == "label":
            if not all(_has_label(labels, value) for value in wanted):
                return False
        elif key not in fields:
            known = ", ".join(sorted((*fields, "label")))
            raise InvalidInput("", f"invalid filter '{key}'", remedy=f"filters are: {known}")
        elif not any(value in fields[key] for value in wanted):
            return False
    return True


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    name, equals, value = wanted.partition("=")
    return name in labels and (not equals or labels[name] == value)
