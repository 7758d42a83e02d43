"""Owns ``events``: the journal, one line an event, in Docker's form."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from engine.options import EventFilter
from tuidock.cli import listing, output
from tuidock.cli.command import Command, Invocation
from tuidock.cli.commands.logs import bound
from tuidock.cli.flags import many, text
from tuidock.cli.specs import scalars

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.events import Event

_SECOND = 1_000_000_000


async def _events(engine: Engine, invocation: Invocation) -> int:
    until = invocation.value("until") if "until" in invocation.given else None
    wanted = EventFilter(
        since=invocation.value("since") if "since" in invocation.given else time.time_ns(),
        until=until,
        follow=until is None or until > time.time_ns(),
        filters=invocation.filters(),
    )
    source = invocation.text("format")
    async for event in engine.events(wanted):
        if source:
            output.line(listing.rendered_document(document(event), source))
        else:
            output.line(line(event))
    return 0


def line(event: Event) -> str:
    """``2026-11-20T23:24:46.123456789+00:00 container die <id> (exitCode=0, image=busybox)``."""
    shown = ", ".join(f"{name}={value}" for name, value in sorted(event.attributes.items()))
    attributes = f" ({shown})" if shown else ""
    return f"{_local(event.time)} {event.type} {event.action} {event.id}{attributes}"


def _local(instant: int) -> str:
    moment = time.localtime(instant // _SECOND)
    zone = time.strftime("%z", moment)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{instant % _SECOND:09d}{zone[:3]}:{zone[3:]}"


class _Message(dict[str, Any]):
    """Docker's event message: as JSON with the names of its wire, in templates with those of Go."""

    def __contains__(self, name: object) -> bool:
        return name in _WIRE_NAMES or super().__contains__(name)

    def __missing__(self, name: str) -> Any:
        return self.get(_WIRE_NAMES[name], "")


_WIRE_NAMES = {
    "Status": "status",
    "ID": "id",
    "From": "from",
    "Scope": "scope",
    "Time": "time",
    "TimeNano": "timeNano",
}


def document(event: Event) -> dict[str, Any]:
    """What ``--format`` shows of an event."""
    from tuidock.cli.gotemplate.template import Entries

    message = _Message()
    if event.type in {"container", "image"}:
        message |= {"status": event.action, "id": event.id}
        if event.type == "container":
            message["from"] = event.attributes.get("image", "")
    message |= {
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": Entries(event.attributes)},
        "scope": "local",
        "time": event.time // _SECOND,
        "timeNano": event.time,
    }
    return message


def _check(invocation: Invocation) -> None:
    listing.check_format(invocation.text("format"), of_rows=False)


EVENTS = Command(
    usage="[OPTIONS]",
    run=_events,
    flags=(
        many(
            "filter",
            "Filter output based on conditions provided",
            "f",
            kind="filter",
            convert=scalars.key_value_filter,
        ),
        text("format", listing.INSPECT_FORMAT_HELP),
        text("since", "Show all events created since timestamp", convert=bound("")),
        text("until", "Stream events until this timestamp", convert=bound("")),
    ),
    check=_check,
)
