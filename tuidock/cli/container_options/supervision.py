"""Owns the flags of how a container is looked after: its init, its end, its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli.flags import number, switch, text

if TYPE_CHECKING:
    from tuidock.cli.command import Invocation

FLAGS = (
    switch("init", "Run an init inside the container that forwards signals and reaps processes"),
    switch("rm", "Automatically remove the container and its associated anonymous volumes when it exits"),
    text("stop-signal", "Signal to stop the container"),
    number("stop-timeout", "Timeout (in seconds) to stop a container"),
)


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set."""
    return {
        "init": invocation.switch("init"),
        "auto_remove": invocation.switch("rm"),
        "stop_signal": invocation.filled("stop-signal"),
        "stop_timeout": invocation.number("stop-timeout"),
    }
