"""Owns which events a reader asked for, by Docker's rules; refuses I/O.

Source: moby, daemon/events/filter.go. Values of one key are alternatives, different keys all hold;
``container``, ``volume``, ``network`` and ``job`` match a name or id or the beginning of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from engine.events import Event
    from engine.options import EventFilter

_OBJECTS = (
    "container",
    "volume",
    "network",
    "job",
    "daemon",
    "plugin",
    "config",
    "node",
    "secret",
    "service",
)
_KEYS = ("type", "event", "image", "label", "scope", *_OBJECTS)
_SCOPE = "local"
_WITH_DETAIL = ("health_status", "exec_create", "exec_start")
"""Actions that carry a detail after a colon and are matched without it."""


def check_filters(wanted: EventFilter) -> None:
    """InvalidInput if a key of ``wanted.filters`` is none that events have."""
    for key in wanted.filters:
        if key not in _KEYS:
            raise InvalidInput(
                "", f"invalid filter '{key}'", remedy=f"events can be filtered by {', '.join(sorted(_KEYS))}"
            )


def event_matches(event: Event, wanted: EventFilter) -> bool:
    """Whether ``event`` lies between since and until (both inclusive) and passes every filter."""
    if wanted.since is not None and event.time < wanted.since:
        return False
    if wanted.until is not None and event.time > wanted.until:
        return False
    return all(_passes(event, key, values) for key, values in wanted.filters.items() if values)


def _passes(event: Event, key: str, values: tuple[str, ...]) -> bool:
    if key == "type":
        return event.type in values
    if key == "event":
        return event.action in values or any(
            value in _WITH_DETAIL and event.action.startswith(value) for value in values
        )
    if key == "scope":
        return _SCOPE in values
    if key == "image":
        return _is_image(event, values)
    if key == "label":
        return all(_has_label(event, value) for value in values)
    name = event.attributes.get("name", "")
    return event.type == key and any(event.id.startswith(value) or name.startswith(value) for value in values)


def _is_image(event: Event, values: tuple[str, ...]) -> bool:
    name = event.attributes.get("name" if event.type == "image" else "image", "")
    return any(value in {event.id, name, _without_tag(name)} for value in values)


def _has_label(event: Event, label: str) -> bool:
    name, equals, value = label.partition("=")
    return event.attributes.get(name) == value if equals else name in event.attributes


def _without_tag(reference: str) -> str:
    head, colon, tag = reference.rpartition(":")
    return head if colon and "/" not in tag else reference
