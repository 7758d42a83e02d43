from __future__ import annotations

from engine.events import LayerProgress
from tuidock.transfers import Rate, Transfers


def _told(*facts: tuple[str, str]) -> Transfers:
    transfers = Transfers()
    for now, (layer, phase) in enumerate(facts):
        transfers.tell(LayerProgress(layer=layer, phase=phase, done=0), float(now))
    return transfers


def _phases(transfers: Transfers) -> list[tuple[str, str]]:
    return [(transfer.layer, transfer.phase) for transfer in transfers.all]


def test_a_rate_is_the_bytes_of_the_last_seconds():
    rate = Rate()
    for second in range(10):
        rate.tell(second * (100 if second < 5 else 300), float(second))
    assert rate.at(9.0) == (9 * 300 - 4 * 100) / 5


def test_a_rate_is_not_known_at_once():
    rate = Rate()
    rate.tell(0, 0.0)
    rate.tell(1000, 0.2)
    assert rate.at(0.2) == 0


def test_what_was_there_before_is_no_rate():
    rate = Rate()
    rate.tell(1_000_000, 0.0)
    rate.tell(1_000_500, 1.0)
    assert rate.at(1.0) == 500


def test_what_is_read_from_a_record_at_once_is_no_rate():
    rate = Rate()
    for number in range(100):
        rate.tell(number * 10_000, number * 0.001)
    rate.tell(990_500, 1.099)
    assert rate.at(1.099) == 500


def test_a_rate_sinks_to_nothing_when_nothing_comes():
    rate = Rate()
    rate.tell(0, 0.0)
    rate.tell(1000, 1.0)
    assert (rate.at(2.0), rate.at(7.0)) == (500, 0)


def test_a_rate_begins_anew_with_each_phase():
    transfers = Transfers()
    for now, (phase, done) in enumerate((("read", 0), ("read", 900), ("unpack", 0), ("unpack", 100))):
        transfers.tell(LayerProgress(layer="a", phase=phase, done=done, total=900), float(now))
    assert transfers.all[0].rate(3.0) == 100


def test_layers_stay_in_the_order_in_which_they_were_told_first():
    transfers = _told(("b", "waiting"), ("a", "waiting"), ("a", "pulled"), ("b", "download"))
    assert _phases(transfers) == [("b", "download"), ("a", "pulled")]


def test_what_came_for_one_tag_was_not_there_for_the_next():
    assert _phases(_told(("a", "pulled"), ("a", "present"))) == [("a", "pulled")]


def test_what_was_on_its_way_at_the_end_was_cut_off():
    transfers = _told(("a", "pulled"), ("b", "download"), ("c", "waiting"))
    transfers.end()
    assert _phases(transfers) == [("a", "pulled"), ("b", "ended"), ("c", "ended")]
    assert not transfers.moving
