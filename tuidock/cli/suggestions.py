"""Owns "did you mean": the known word nearest to a mistyped one; refuses far-fetched guesses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LETTERS_PER_EDIT = 4


def nearest(word: str, known: Iterable[str]) -> str:
    """The word of ``known`` that ``word`` begins or that is an edit for every four letters away; else ""."""
    best, best_distance = "", max(2, len(word) // _LETTERS_PER_EDIT + 1)
    for candidate in sorted(known):
        distance = 1 if len(word) > 1 and candidate.startswith(word) else edits(word, candidate)
        if distance < best_distance:
            best, best_distance = candidate, distance
    return best


def edits(left: str, right: str) -> int:
    """The optimal string alignment distance: insertions, deletions, changes and neighbours swapped."""
    before_last: list[int] = []
    last = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        row = [i]
        for j, b in enumerate(right, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before_last[j - 2] + 1)
            row.append(cost)
        before_last, last = last, row
    return last[-1]
