"""Owns the widths of a table's columns, pure; refuses to draw.

A column is dropped below its own table width, so the order of dropping is the order of ``from_width``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Sequence


class Column(NamedTuple):
    """``minimum`` cells at least; shown from a table width of ``from_width`` cells on."""

    title: str
    minimum: int
    from_width: int = 0
    maximum: int = 60
    right: bool = False


def fit(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> tuple[int, ...]:
    """A width for each column, 0 for the dropped ones; with gaps of one they fill at most ``width``."""
    shown = [column.from_width <= width for column in columns]
    sizes = [column.minimum if visible else 0 for column, visible in zip(columns, shown, strict=True)]
    spare = width - sum(sizes) - sum(shown) + 1
    if spare < 0:
        last = max(index for index, visible in enumerate(shown) if visible)
        sizes[last] = max(1, sizes[last] + spare)
        return tuple(sizes)
    wanted = [
        min(column.maximum, max((_length(row[index]) for row in cells), default=0)) if shown[index] else 0
        for index, column in enumerate(columns)
    ]
    while spare > 0:
        hungry = [index for index, size in enumerate(sizes) if 0 < size < wanted[index]]
        if not hungry:
            break
        share = max(1, spare // len(hungry))
        for index in hungry:
            given = min(share, wanted[index] - sizes[index], spare)
            sizes[index] += given
            spare -= given
    return tuple(sizes)


def fitted(text: str, size: int, *, right: bool = False) -> str:
    """``text`` in exactly ``size`` cells, cut with an ellipsis where it is longer."""
    length = _length(text)
    if length > size:
        return set_cell_size(text, size - 1) + "…" if size > 1 else "…"[:size]
    padding = " " * (size - length)
    return padding + text if right else text + padding


def wrapped(text: str, width: int) -> list[str]:
    """``text`` as lines of at most ``width`` cells, broken at a space where there is one."""
    lines: list[str] = []
    while _length(text) > width:
        end = _fitting(text, width)
        space = text.rfind(" ", 0, end + 1)
        if text[: max(space, 0)].strip():
            lines.append(text[:space])
            text = text[space + 1 :]
        else:
            lines.append(text[:end])
            text = text[end:]
    return [*lines, text]


def _fitting(text: str, width: int) -> int:
    """How many of the first characters fit into ``width`` cells; at least one."""
    if text.isascii():
        return max(1, width)
    cells = 0
    for index, character in enumerate(text):
        cells += cell_len(character)
        if cells > width:
            return max(1, index)
    return len(text)


def _length(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)
