"""Owns ``logs``: a container's output as it was written, each stream to its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.options import LogOptions
from tuidock.cli import diagnostics, output
from tuidock.cli.command import CannotStart, Command, Invocation
from tuidock.cli.flags import switch, text
from tuidock.cli.specs import instants
from tuidock.cli.units import rfc3339_nano

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.engine import Engine
    from engine.records import LogChunk


def point_in_time(value: str) -> int:
    """Nanoseconds since the epoch from a time or a duration before now; the converter of --since."""
    return instants.instant(value, time.time_ns())


def bound(name: str) -> Callable[[str], int]:
    """The converter of the flag ``name``, which an error tells if there is a name; CannotStart, as Docker."""

    def convert(value: str) -> int:
        try:
            return point_in_time(value)
        except ValueError as error:
            told = f'invalid value for "{name}": {error}' if name else str(error)
            raise CannotStart(told) from None

    return convert


def _tail(value: str) -> int | None:
    """As Docker: what is no number of lines means all."""
    return int(value) if value.isascii() and value.isdecimal() else None


class Stamper:
    """Puts time and details before every line; a line that comes in pieces keeps the time of its first."""

    def __init__(self, details: bytes = b"", *, timed: bool = True) -> None:
        self._inside_line: dict[str, bool] = {}
        self._details = details
        self._timed = timed

    def stamped(self, chunk: LogChunk) -> bytes:
        """The chunk's bytes with a stamp at every line that begins in it."""
        stamp = (f"{rfc3339_nano(chunk.time)} ".encode() if self._timed else b"") + self._details
        pieces: list[bytes] = []
        inside = self._inside_line.get(chunk.stream, False)
        for line in _lines(chunk.content):
            pieces += [line] if inside else [stamp, line]
            inside = not line.endswith(b"\n")
        self._inside_line[chunk.stream] = inside
        return b"".join(pieces)


def _lines(content: bytes) -> list[bytes]:
    """Lines with their ends, cut at newlines only: a carriage return redraws the same line."""
    *whole, rest = content.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


async def _logs(engine: Engine, invocation: Invocation) -> int:
    options = LogOptions(
        follow=invocation.switch("follow"),
        tail=invocation.value("tail") if "tail" in invocation.given else None,
        since=invocation.value("since") if "since" in invocation.given else None,
        until=invocation.value("until") if "until" in invocation.given else None,
    )
    stamper = await _stamper(engine, invocation)
    async for chunk in engine.containers.logs(invocation.arguments[0], options):
        content = stamper.stamped(chunk) if stamper else chunk.content
        (diagnostics.write if chunk.stream == "stderr" else output.write)(content)
    return 0


async def _stamper(engine: Engine, invocation: Invocation) -> Stamper | None:
    timed, detailed = invocation.switch("timestamps"), invocation.switch("details")
    if not detailed:
        return Stamper() if timed else None
    from tuidock.cli.log_details import details

    return Stamper(details(await engine.containers.get(invocation.arguments[0])), timed=timed)


_SINCE = 'timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'

LOGS = Command(
    usage="[OPTIONS] CONTAINER",
    run=_logs,
    flags=(
        switch("details", "Show extra details provided to logs"),
        switch("follow", "Follow log output", "f"),
        text("since", f"Show logs since a {_SINCE}", convert=bound("since")),
        text(
            "tail",
            "Number of lines to show from the end of the logs",
            "n",
            default="all",
            convert=_tail,
        ),
        switch("timestamps", "Show timestamps", "t"),
        text("until", f"Show logs before a {_SINCE}", convert=bound("until")),
    ),
    fewest=1,
    most=1,
)
