import pytest

from engine.records import LogChunk
from tuidock.cli.command import CannotStart
from tuidock.cli.commands.logs import Stamper, bound

_TIME = 1136214245_000000001
_STAMP = b"2006-01-02T15:04:05.000000001Z "


def _chunk(content, stream="stdout"):
    return LogChunk(time=_TIME, stream=stream, content=content)


def test_every_line_is_stamped():
    assert Stamper().stamped(_chunk(b"a\nb\n")) == _STAMP + b"a\n" + _STAMP + b"b\n"


def test_a_line_in_pieces_is_stamped_once():
    stamper = Stamper()
    assert stamper.stamped(_chunk(b"ab")) + stamper.stamped(_chunk(b"cd\nx")) == (
        _STAMP + b"abcd\n" + _STAMP + b"x"
    )


def test_streams_have_lines_of_their_own():
    stamper = Stamper()
    stamper.stamped(_chunk(b"half"))
    assert stamper.stamped(_chunk(b"e\n", "stderr")) == _STAMP + b"e\n"


def test_a_carriage_return_is_no_line_end():
    assert Stamper().stamped(_chunk(b"10%\r20%\n")) == _STAMP + b"10%\r20%\n"


def test_a_time_that_is_none_cannot_start():
    with pytest.raises(CannotStart, match='invalid value for "since": failed to parse value as time or'):
        bound("since")("foo")
