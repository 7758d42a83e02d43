"""Owns "did you mean": the nearest name to a misspelt one; refuses guesses further than two edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOO_FAR = 3


def nearest(word: str, names: Iterable[str]) -> str:
    """The name, in lower case, that is at most two edits from ``word``; "" if there is none."""
    word = word.lower()
    best, best_distance = "", _TOO_FAR
    for name in sorted(names):
        distance = _distance(word, name.lower())
        if distance == 0:
            return ""
        if distance < best_distance:
            best, best_distance = name.lower(), distance
    return best


def _distance(one: str, other: str) -> int:
    """Levenshtein's: insertions, deletions and replacements."""
    previous = list(range(len(other) + 1))
    for row, left in enumerate(one, start=1):
        current = [row]
        for column, right in enumerate(other, start=1):
            current.append(min(previous[column] + 1, current[-1] + 1, previous[column - 1] + (left != right)))
        previous = current
    return previous[-1]
