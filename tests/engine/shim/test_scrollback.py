"""What is kept of an output without a log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.shim.scrollback import Scrollback

_CHUNKS = st.lists(st.tuples(st.sampled_from((1, 2)), st.binary(min_size=1, max_size=9)), max_size=40)


def _written(chunks) -> list[tuple[int, int]]:
    return [(stream, byte) for stream, content in chunks for byte in content]


@given(_CHUNKS, st.integers(0, 60), st.integers(1, 20))
def test_the_last_bytes_are_kept_with_their_streams(chunks, limit, step):
    kept = Scrollback(limit, "any")
    for stream, content in chunks:
        kept.append(stream, content)
    cursor, found = 0, []
    while cursor < kept.count:
        cursor, some = kept.read(cursor, step)
        found += _written(some)
    everything = _written(chunks)
    assert found == everything[max(0, len(everything) - limit) :]


@given(_CHUNKS, st.integers(0, 50))
def test_last_is_so_many_bytes(chunks, size):
    kept = Scrollback(30, "any")
    for stream, content in chunks:
        kept.append(stream, content)
    held = kept.count - kept.begin
    assert kept.count - kept.last(size) == min(size, held)


def test_streams_that_alternate_for_ever_are_bounded_too():
    kept = Scrollback(1 << 20, "all")
    for number in range(20_000):
        kept.append(1 + number % 2, b"x")
    assert len(kept._marks) <= 4096
    assert kept.read(kept.count - 2, 9) == (20_000, [(1, b"x"), (2, b"x")])
