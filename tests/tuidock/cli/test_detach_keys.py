import pytest

from tuidock.cli.detach_keys import DetachKeys, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ctrl-p,ctrl-q", b"\x10\x11"), ("a", b"a"), ("ctrl-@", b"\0"), ("ctrl-],DEL", b"\x1d\x7f")],
)
def test_keys_are_bytes(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["foo", "ctrl-", "ctrl-A1", ""])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(ValueError, match="unknown character"):
        parse(text)


def test_typing_passes_through():
    keys = DetachKeys(b"\x10\x11")
    assert (keys.feed(b"ls\r"), keys.found) == (b"ls\r", False)


def test_the_sequence_is_found_and_not_sent():
    keys = DetachKeys(b"\x10\x11")
    assert (keys.feed(b"x\x10\x11y"), keys.found) == (b"x", True)


def test_the_sequence_may_come_in_pieces():
    keys = DetachKeys(b"\x10\x11")
    assert (keys.feed(b"\x10"), keys.feed(b"\x11"), keys.found) == (b"", b"", True)


def test_a_broken_sequence_is_sent_after_all():
    keys = DetachKeys(b"\x10\x11")
    assert keys.feed(b"\x10") + keys.feed(b"a") == b"\x10a"


def test_a_key_that_begins_the_sequence_again():
    keys = DetachKeys(b"\x10\x11")
    assert (keys.feed(b"\x10\x10\x11"), keys.found) == (b"\x10", True)
