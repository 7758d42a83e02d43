"""Owns Docker's filters of ``ps`` and prune: which container passes; pure, refuses look-ups.

Source: moby daemon/list.go. Values of one key are alternatives (labels must all hold), keys all hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import InvalidInput, NotFound
from engine.oci.instant import from_rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from engine.records import Container

STATUSES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
_HEALTH = ("starting", "healthy", "unhealthy", "none")
_KEYS = frozenset(
    "ancestor before exited expose health id is-task label name network publish since status volume".split()
)

_PRUNE_KEYS = frozenset({"until", "label", "label!"})
_NANOSECONDS = 1_000_000_000
_SECONDS = r"\d+(\.\d+)?\Z"
_DURATION = r"(\d+(\.\d+)?(ms|h|m|s))+\Z"
_DURATION_PART = r"(\d+(?:\.\d+)?)(ms|h|m|s)"
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def check_filters(filters: Mapping[str, tuple[str, ...]]) -> None:
    """InvalidInput for a key or a value that Docker would refuse."""
    for key, values in filters.items():
        if key not in _KEYS:
            raise _invalid(key)
        for value in values:
            if (
                (key == "status" and value not in STATUSES)
                or (key == "health" and value not in _HEALTH)
                or (key == "exited" and not _is_number(value))
                or (key == "is-task" and value.lower() not in {"true", "false", "0", "1"})
            ):
                raise InvalidInput("", f"invalid filter '{key}={value}'", remedy=_VALUES[key])


def select(
    containers: Sequence[Container], filters: Mapping[str, tuple[str, ...]], ancestors: frozenset[str]
) -> tuple[Container, ...]:
    """Those of ``containers`` (newest first) that pass; ``ancestors`` are the ids of the images asked for."""
    before = [_position(containers, text) for text in filters.get("before", ())]
    since = [_position(containers, text) for text in filters.get("since", ())]
    return tuple(
        container
        for position, container in enumerate(containers)
        if all(position > other for other in before)
        and all(position < other for other in since)
        and ("ancestor" not in filters or container.image_id in ancestors)
        and passes(container, filters)
    )


def passes(container: Container, filters: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether the container alone, without its neighbours and its image, passes."""
    for key, values in filters.items():
        test = _TESTS.get(key)
        if test is not None and not any(test(container, value) for value in values):
            return False
    return all(_label(container, value) for value in filters.get("label", ()))


def _position(containers: Sequence[Container], text: str) -> int:
    for position, container in enumerate(containers):
        if container.name == text.removeprefix("/") or container.id.startswith(text):
            return position
    raise NotFound("container", text)


def _label(container: Container, text: str) -> bool:
    name, equals, value = text.partition("=")
    has = container.config.labels.get(name)
    return has is not None and (not equals or has == value)


def _name(container: Container, text: str) -> bool:
    try:
        pattern = re.compile(text)
    except re.error:
        return text in container.name
    return bool(pattern.search(container.name) or pattern.search(f"/{container.name}"))


def _health(container: Container, text: str) -> bool:
    status = container.state.health.status if container.state.health else "none"
    return status == text


def _volume(container: Container, text: str) -> bool:
    return any(text in {mount.name, mount.target, mount.source} for mount in container.mounts)


def _network(container: Container, text: str) -> bool:
    return text in container.networks or any(
        text == endpoint.network or (endpoint.network_id and endpoint.network_id.startswith(text))
        for endpoint in container.endpoints
    )


def _publish(container: Container, text: str) -> bool:
    low, high, protocol = _range(text)
    bindings = [(port.host_port, port.protocol) for port in container.ports]
    bindings += [(port.container_port, port.protocol) for port in container.ports]
    return any(low <= port <= high and kind == protocol for port, kind in bindings)


def _expose(container: Container, text: str) -> bool:
    low, high, protocol = _range(text)
    for exposed in container.config.exposed_ports:
        port, _, kind = exposed.partition("/")
        if port.isdigit() and low <= int(port) <= high and (kind or "tcp") == protocol:
            return True
    return False


def _range(text: str) -> tuple[int, int, str]:
    ports, _, protocol = text.partition("/")
    low, _, high = ports.partition("-")
    if not low.isdigit() or not (high or low).isdigit():
        raise _invalid(text)
    return int(low), int(high or low), protocol or "tcp"


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdigit()


def _invalid(text: str) -> InvalidInput:
    keys = ", ".join(sorted(_KEYS - {"is-task"}))
    return InvalidInput("", f"invalid filter '{text}'", remedy=f"filters are {keys}")


_TESTS: dict[str, Callable[[Container, str], bool]] = {
    "id": lambda container, text: container.id.startswith(text),
    "name": _name,
    "status": lambda container, text: container.state.status == text,
    "exited": lambda container, text: (
        container.state.status == "exited" and container.state.exit_code == int(text)
    ),
    "health": _health,
    "volume": _volume,
    "network": _network,
    "publish": _publish,
    "expose": _expose,
    "is-task": lambda _container, text: text.lower() in {"false", "0"},
}


_VALUES = {
    "status": f"use one of {', '.join(sorted(STATUSES))}",
    "health": f"use one of {', '.join(sorted(_HEALTH))}",
    "exited": "use an exit code",
    "is-task": "use true or false",
}
"""What the keys take whose values are checked."""


def check_prune_filters(filters: Mapping[str, tuple[str, ...]]) -> None:
    """InvalidInput for a key that ``container prune`` does not know."""
    for key in filters:
        if key not in _PRUNE_KEYS:
            raise InvalidInput("", f"invalid filter '{key}'", remedy="prune filters are label, label!, until")


def is_pruned(container: Container, filters: Mapping[str, tuple[str, ...]], now: int) -> bool:
    """Whether a prune with these filters takes the container (which does not run)."""
    return is_chosen(container.created, container.config.labels, filters, now)


def is_chosen(
    created: int, labels: Mapping[str, str], filters: Mapping[str, tuple[str, ...]], now: int
) -> bool:
    """Whether a prune with these filters (until, label, label!) takes what was made then, with ``labels``."""

    def has(text: str) -> bool:
        name, equals, value = text.partition("=")
        return name in labels and (not equals or labels[name] == value)

    return (
        created < until(filters, now)
        and all(map(has, filters.get("label", ())))
        and not any(map(has, filters.get("label!", ())))
    )


def until(filters: Mapping[str, tuple[str, ...]], now: int) -> int:
    """The instant before which things must have been made to be pruned; far away where none was named."""
    return min((_instant(text, now) for text in filters.get("until", ())), default=1 << 63)


def _instant(text: str, now: int) -> int:
    """``10m``, ``1h30m``, seconds since the epoch, or RFC 3339, as an instant."""
    if re.match(_SECONDS, text):
        return round(float(text) * _NANOSECONDS)
    if re.match(_DURATION, text):
        parts = re.findall(_DURATION_PART, text)
        return now - round(sum(float(number) * _UNITS[unit] for number, unit in parts) * _NANOSECONDS)
    instant = from_rfc3339(text)
    if not instant:
        raise InvalidInput("", f"invalid filter 'until={text}'", remedy="write 24h, or 2026-01-31T12:00:00Z")
    return instant
