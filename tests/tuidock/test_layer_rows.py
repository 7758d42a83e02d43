from __future__ import annotations

from engine.events import LayerProgress
from tuidock.layer_rows import LAYER_COLUMNS, layer_rows
from tuidock.transfers import Transfers
from tuidock.widgets.columns import fit


def _cells(width: int, phase: str, *done: int, total: int = 0, ended: bool = False) -> tuple[str, ...]:
    """The cells of a layer that was so far at each second."""
    transfers = Transfers()
    for now, bytes_done in enumerate(done):
        fact = LayerProgress(layer="sha256:f3aa1553ca290", phase=phase, done=bytes_done, total=total)
        transfers.tell(fact, float(now))
    if ended:
        transfers.end()
    (row,) = layer_rows(transfers.all, width, len(done) - 1.0)
    return row.cells


def test_a_layer_on_its_way_has_a_bar_bytes_and_a_rate():
    assert _cells(65, "download", 0, 1_200_000, total=9_800_000) == (
        "f3aa1553ca29",
        "↓ pulls",
        "██░░░░░░░░░░░░░░░░░░",
        "1.2MB/9.8MB",
        "1.2MB/s",
    )


def test_a_layer_that_is_there_has_its_size():
    assert _cells(65, "pulled", 500, total=500) == ("f3aa1553ca29", "✓ pulled", "", "500B", "")


def test_a_layer_that_was_cut_off_shows_how_far_it_came():
    assert _cells(65, "upload", 250, total=500, ended=True)[1:] == (
        "■ ended",
        "█" * 10 + "░" * 10,
        "250B/500B",
        "",
    )


def test_a_layer_that_waits_says_no_more():
    assert _cells(65, "waiting", 0) == ("f3aa1553ca29", "· waits", "", "", "")


def test_all_columns_fit_at_every_width_with_the_bar_uncut():
    for width in range(36, 120):
        cells = _cells(width, "download", 0, 1_020_000, total=1_020_001)
        sizes = fit(LAYER_COLUMNS, [cells], width)
        assert all(len(cell) <= size for cell, size in zip(cells[:4], sizes, strict=False)), width
