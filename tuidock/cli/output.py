"""Owns standard output: it is the only writer of it; refuses standard error and decisions.

Everything is written with ``os.write``: no buffer has to be flushed before the process leaves, bytes of
containers pass through unchanged, and a reader that went away is noticed at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STDOUT = 1


def write(content: bytes) -> None:
    """All of ``content``; BrokenPipeError if the reader is gone."""
    view = memoryview(content)
    while view:
        view = view[os.write(STDOUT, view) :]


def text(content: str) -> None:
    """``content`` as it is; what is no Unicode (file names) comes out as the bytes it was."""
    write(content.encode(errors="surrogateescape"))


def line(content: str) -> None:
    """``content`` and a newline."""
    text(f"{content}\n")


def lines(contents: Sequence[str]) -> None:
    """Every one of ``contents`` on a line of its own, in one write."""
    text("".join(f"{content}\n" for content in contents))


def documents(values: Sequence[Mapping[str, Any]]) -> None:
    """A JSON array as ``docker inspect`` prints it: four spaces, empty objects on one line."""
    line(msgspec.json.format(msgspec.json.encode(values), indent=4).decode())


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return os.isatty(STDOUT)
