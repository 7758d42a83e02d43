from __future__ import annotations

import pytest

from engine.events import Event
from engine.options import EventFilter
from engine.store.event_filter import event_matches

STARTED = Event(
    time=5,
    type="container",
    action="start",
    id="abcdef",
    attributes={"name": "web", "image": "registry:5000/app:1.0", "tier": "front"},
)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("type", "container", True),
        ("type", "image", False),
        ("event", "start", True),
        ("event", "sta", False),
        ("container", "abc", True),
        ("container", "web", True),
        ("container", "db", False),
        ("volume", "web", False),
        ("image", "registry:5000/app:1.0", True),
        ("image", "registry:5000/app", True),
        ("image", "registry", False),
        ("label", "tier", True),
        ("label", "tier=front", True),
        ("label", "tier=back", False),
    ],
)
def test_one_filter(key, value, expected):
    assert event_matches(STARTED, EventFilter(filters={key: (value,)})) is expected


def test_values_of_a_key_are_alternatives():
    assert event_matches(STARTED, EventFilter(filters={"event": ("die", "start")}))


def test_different_keys_all_hold():
    assert not event_matches(STARTED, EventFilter(filters={"event": ("start",), "type": ("image",)}))


def test_health_status_matches_without_its_detail():
    event = Event(time=1, type="container", action="health_status: healthy", id="a")
    assert event_matches(event, EventFilter(filters={"event": ("health_status",)}))
