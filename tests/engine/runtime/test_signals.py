from __future__ import annotations

import signal

import pytest

from engine.errors import InvalidInput
from engine.runtime.signals import signal_number


@pytest.mark.parametrize("text", ["9", "KILL", "SIGKILL", "kill", " sigkill "])
def test_one_signal_has_many_spellings(text):
    assert signal_number(text) == signal.SIGKILL


def test_real_time_signals_are_counted_from_either_end():
    assert signal_number("RTMIN+3") == signal.SIGRTMIN + 3
    assert signal_number("SIGRTMAX-1") == signal.SIGRTMAX - 1


@pytest.mark.parametrize("text", ["", "0", "65", "SIGWHAT", "RTMIN+99", "RTMIN+x", "_DFL", "-9"])
def test_what_is_no_signal_is_refused(text):
    with pytest.raises(InvalidInput, match="Invalid signal"):
        signal_number(text)
