"""Owns what the table of a job's layers says: digest, phase, bar, bytes, rate; pure, refuses clocks.

A table that is too narrow for it shows a shorter digest and no rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuidock.sanitize import label
from tuidock.sizes import human_size
from tuidock.widgets.columns import Column
from tuidock.widgets.row_table import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuidock.transfers import Transfer

_ROOMY = 50
_DIGEST, _SHORT_DIGEST = 12, 7
_STATE, _BYTES, _RATE = len("✓ pulled"), len("1.02MB/1.02MB"), len("1.02MB/s")
_LONGEST_BAR, _SHORTEST_BAR = 20, 4
LAYER_COLUMNS = (
    Column("LAYER", _SHORT_DIGEST, maximum=_DIGEST),
    Column("STATE", _STATE),
    Column("", _SHORTEST_BAR, maximum=_LONGEST_BAR),
    Column("BYTES", _BYTES, right=True),
    Column("RATE", _RATE, _ROOMY, right=True),
)
_STATES = {
    "waiting": ("· waits", "muted"),
    "read": ("▶ reads", "running"),
    "unpack": ("▶ unpacks", "running"),
    "download": ("↓ pulls", "running"),
    "upload": ("↑ pushes", "running"),
    "done": ("✓ loaded", "created"),
    "present": ("✓ here", "created"),
    "pulled": ("✓ pulled", "created"),
    "pushed": ("✓ pushed", "created"),
    "exists": ("✓ there", "created"),
    "ended": ("■ ended", "paused"),
}


def layer_rows(transfers: Sequence[Transfer], width: int, now: float) -> list[Row]:
    """A row a layer, for a table whose columns have ``width`` cells together."""
    return [_row(transfer, width, now) for transfer in transfers]


def _row(transfer: Transfer, width: int, now: float) -> Row:
    roomy = width >= _ROOMY
    digest = label(transfer.layer.removeprefix("sha256:"))[: _DIGEST if roomy else _SHORT_DIGEST]
    state, style = _STATES.get(transfer.phase, (label(transfer.phase), "running"))
    rate = transfer.rate(now)
    cells = (digest, state, _bar(transfer, width), _bytes(transfer), f"{human_size(rate)}/s" if rate else "")
    return Row(transfer.layer, cells, ("title", style, style, "muted", ""), f"{digest} {state}")


def _bar(transfer: Transfer, width: int) -> str:
    if not transfer.total or not (transfer.moving or transfer.phase == "ended"):
        return ""
    if width >= _ROOMY:
        room = width - _DIGEST - _STATE - _BYTES - _RATE - 4
    else:
        room = width - _SHORT_DIGEST - _STATE - _BYTES - 3
    size = min(max(room, _SHORTEST_BAR), _LONGEST_BAR)
    filled = min(size, size * transfer.done // transfer.total)
    return "█" * filled + "░" * (size - filled)


def _bytes(transfer: Transfer) -> str:
    if not transfer.done and not transfer.moving:
        return ""
    done, total = human_size(transfer.done), human_size(transfer.total)
    if not transfer.total:
        return done
    return f"{done}/{total}" if transfer.done < transfer.total else total
