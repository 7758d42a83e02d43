"""Owns signal names and numbers as Docker takes them; refuses to send any."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from engine.records import Container


def stop_signal(container: Container) -> int:
    """The number of the signal that asks the container to end."""
    text = container.config.stop_signal
    return signal_number(text) if text else int(signal.SIGTERM)


def signal_number(text: str) -> int:
    """The number that ``text`` means: 9, KILL, SIGKILL, kill, RTMIN+3; InvalidInput if there is none."""
    name = text.strip().upper().removeprefix("SIG")
    if name.isdigit():
        number = int(name)
        if 0 < number < signal.NSIG:
            return number
    for base in ("RTMIN", "RTMAX"):
        if name.startswith(base) and name != base:
            return _real_time(base, name.removeprefix(base), text)
    found = getattr(signal, f"SIG{name}", None)
    if isinstance(found, signal.Signals):
        return int(found)
    raise _invalid(text)


def _real_time(base: str, offset: str, text: str) -> int:
    try:
        number = int(getattr(signal, f"SIG{base}")) + int(offset)
    except ValueError:
        raise _invalid(text) from None
    if not signal.SIGRTMIN <= number <= signal.SIGRTMAX:
        raise _invalid(text)
    return number


def _invalid(text: str) -> InvalidInput:
    return InvalidInput("", f"Invalid signal: {text}", remedy="signal(7) and kill -l list the names")
