"""Owns the alignment of tab-separated cells, exactly as Go's text/tabwriter with Docker's settings.

A column is a block of adjacent lines that have a cell ending there; the last cell of a line belongs to no
column. Docker's settings: at least 10 wide, padded with 3 spaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MINIMUM = 10
_PADDING = 3


def aligned(text: str, minimum: int = _MINIMUM) -> str:
    """``text`` with its tabs replaced by spaces, column by column, each at least ``minimum`` wide."""
    lines = [line.split("\t") for line in text.split("\n")]
    out: list[str] = []
    _format(lines, (0, len(lines)), [], out, minimum)
    return "\n".join(out)


def table(rows: Sequence[Sequence[str]], minimum: int = _MINIMUM) -> str:
    """``rows`` (the header first) as lines, each with a newline at its end."""
    return aligned("".join("\t".join(row) + "\n" for row in rows), minimum)


def _format(
    lines: list[list[str]], between: tuple[int, int], widths: list[int], out: list[str], minimum: int
) -> None:
    """Write lines [first, last); ``widths`` are those of the columns left of the one looked at."""
    column = len(widths)
    at, last = between
    while at < last:
        if column >= len(lines[at]) - 1:  # this line has no cell that ends a column here
            out.append(_joined(lines[at], widths))
            at += 1
            continue
        end = at
        while end < last and column < len(lines[end]) - 1:
            end += 1
        width = max(minimum, *(len(line[column]) + _PADDING for line in lines[at:end]))
        _format(lines, (at, end), [*widths, width], out, minimum)
        at = end


def _joined(cells: list[str], widths: list[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
    return "".join((*padded, cells[-1]))
