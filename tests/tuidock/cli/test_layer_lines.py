from __future__ import annotations

import pytest

from engine.events import LayerProgress
from tuidock.cli.layer_lines import fewer, layer_lines, plain_line
from tuidock.transfers import Transfers

_LAYER = "sha256:f3aa1553ca29" + "0" * 52


def _moved(phase: str, *done: int, total: int = 0) -> Transfers:
    """A layer that was so far at each second."""
    transfers = Transfers()
    for now, bytes_done in enumerate(done):
        fact = LayerProgress(layer=_LAYER, phase=phase, done=bytes_done, total=total)
        transfers.tell(fact, float(now))
    return transfers


def _line(columns: int, phase: str, *done: int, total: int = 0) -> str:
    transfers = _moved(phase, *done, total=total)
    (line,) = layer_lines(transfers.all, columns, len(done) - 1.0)
    return line


def test_a_layer_on_its_way_is_a_bar_with_bytes_and_rate():
    assert _line(80, "download", 0, 1_200_000, total=9_800_000) == (
        "f3aa1553ca29: Downloading [==>                        ] 1.2MB/9.8MB  1.2MB/s"
    )


def test_a_bar_is_as_long_as_dockers_where_there_is_room():
    line = _line(200, "upload", 0, 5_000_000, total=10_000_000)
    assert line == f"f3aa1553ca29: Pushing [{'=' * 24}>{' ' * 25}] 5MB/10MB  5MB/s"


def test_a_bar_is_left_out_where_there_is_no_room():
    assert _line(50, "download", 0, 500, total=1000) == "f3aa1553ca29: Downloading 500B/1kB  500B/s"


def test_no_line_is_longer_than_the_terminal():
    worst = [_line(columns, "upload", 0, 1_020_000, total=1_020_000) for columns in range(60, 130)]
    assert all(len(line) < columns for columns, line in enumerate(worst, 60))


def test_a_size_that_is_not_known_has_no_bar():
    assert _line(80, "download", 0, 1_200_000) == "f3aa1553ca29: Downloading 1.2MB  1.2MB/s"


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        ("waiting", "Waiting"),
        ("present", "Already exists"),
        ("pulled", "Pull complete"),
        ("pushed", "Pushed"),
        ("exists", "Layer already exists"),
        ("done", "Loaded layer 10B"),
    ],
)
def test_what_is_said_where_nothing_moves_is_dockers(phase: str, said: str):
    assert _line(80, phase, 10, total=10) == f"f3aa1553ca29: {said}"


def test_elsewhere_a_layer_on_its_way_is_a_line_without_a_bar():
    (transfer,) = _moved("download", 0, 1_200_000, total=9_800_000).all
    assert plain_line(transfer, 1.0) == "f3aa1553ca29: Downloading 1.2MB/9.8MB  1.2MB/s"


def test_what_moves_is_shown_before_what_waits_and_that_before_what_is_over():
    transfers = Transfers()
    for layer, phase in enumerate(("pulled", "download", "waiting", "pulled", "download", "waiting")):
        transfers.tell(LayerProgress(layer=str(layer), phase=phase, done=0), 0.0)
    lines = list("abcdef")
    assert [fewer(transfers.all, lines, room) for room in (2, 3, 5, 9)] == [
        ["b", "e"],
        ["b", "c", "e"],
        ["a", "b", "c", "e", "f"],
        lines,
    ]
