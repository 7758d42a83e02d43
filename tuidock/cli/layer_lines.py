"""Owns how layers on their way look: Docker's line with a bar, and what is said of one at last.

Source: docker's pkg/jsonmessage; the rate is ours. Refuses to write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuidock.cli.units import short_digest
from tuidock.sizes import human_size
from tuidock.transfers import LAST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuidock.transfers import Transfer

_PHASES = {
    "waiting": "Waiting",
    "read": "Reading",
    "unpack": "Loading layer",
    "download": "Downloading",
    "upload": "Pushing",
    "done": "Loaded layer",
    "present": "Already exists",
    "pulled": "Pull complete",
    "pushed": "Pushed",
    "exists": "Layer already exists",
}
_SAID_WITH_SIZE = frozenset({"done"})
_LONGEST_BAR, _SHORTEST_BAR = 50, 8
_AFTER_BAR = len("] 1.02MB/1.02MB  1.02MB/s") + 1
"""Kept free whatever stands there, so that the bar does not change its length with it."""


def layer_lines(transfers: Sequence[Transfer], columns: int, now: float) -> list[str]:
    """A line a layer, for a terminal of ``columns``."""
    return [_line(transfer, columns, now) for transfer in transfers]


def fewer(transfers: Sequence[Transfer], lines: Sequence[str], room: int) -> list[str]:
    """At most ``room`` of ``lines``, in their order: first what moves, then what waits, then what is over."""
    ranks = [2 if transfer.phase in LAST else not transfer.moving for transfer in transfers]
    chosen = sorted(range(len(lines)), key=lambda at: (ranks[at], at))[:room]
    return [lines[at] for at in sorted(chosen)]


def plain_line(transfer: Transfer, now: float) -> str:
    """The line without a bar, for what is no terminal: ``f3aa1553ca29: Downloading 1.2MB/9.8MB  3.4MB/s``."""
    return " ".join(filter(None, (_head(transfer), _counted(transfer, now))))


def _line(transfer: Transfer, columns: int, now: float) -> str:
    head, counted = _head(transfer), _counted(transfer, now)
    if not transfer.moving or not transfer.total:
        return f"{head} {counted}".rstrip()
    bar = min(_LONGEST_BAR, columns - len(f"{head} [") - _AFTER_BAR)
    if bar < _SHORTEST_BAR:
        return f"{head} {counted}"
    filled = min(bar, bar * transfer.done // transfer.total)
    return f"{head} [{('=' * max(0, filled - 1) + '>' * bool(filled)).ljust(bar)}] {counted}"


def _head(transfer: Transfer) -> str:
    return f"{short_digest(transfer.layer)}: {_PHASES.get(transfer.phase, transfer.phase)}"


def _counted(transfer: Transfer, now: float) -> str:
    """Bytes and rate, of what moves; the size alone, where that is news."""
    if not transfer.moving:
        return human_size(transfer.total) if transfer.total and transfer.phase in _SAID_WITH_SIZE else ""
    rate = transfer.rate(now)
    speed = f"  {human_size(rate)}/s" if rate else ""
    if not transfer.total:
        return f"{human_size(transfer.done)}{speed}" if transfer.done else ""
    return f"{human_size(transfer.done)}/{human_size(transfer.total)}{speed}"
