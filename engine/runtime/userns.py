"""Owns how ``--userns`` becomes a map of ids: parsed, checked, and for ``auto`` chosen where nobody else is.

Source: user_namespaces(7), subuid(5); podman-run(1) for ``auto``. Users and groups have one map. Refuses to
make a namespace: the supervisor does, and on disk nothing is shifted, whatever the map (idmapped mounts).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from engine.errors import InvalidInput
from engine.options import IdRange
from engine.runtime.namespaces import KINDS, peer_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.options import CreateOptions

DEFAULT_RANGE = (1879048192, 4094 << 16)
"""First id and count, where /etc/subuid has no entry: above what systemd gives to nspawn (which ends there),
below what it gives to foreign images, and no distribution's useradd allocates so high."""

OWNER = "containers"
"""Whose entries in /etc/subuid and /etc/subgid ``auto`` takes ids from, as Podman's."""

_AUTO = re.compile(r"auto(?::size=(\d{1,10}))?\Z")
_DEFAULT_SIZE = 1 << 16
_LAST_ID = (1 << 32) - 2
_MOST_LINES = 340
_FIELDS = 3


def check_userns(options: CreateOptions) -> None:
    """InvalidInput for a mode there is not, or one beside options that need the host's root."""
    if not _AUTO.match(options.userns):
        explicit_map(options.userns)
    elif auto_size(options.userns) < 1:
        raise InvalidInput("--userns", "the size has to be 1 at least")
    if options.privileged:
        raise InvalidInput(
            "",
            "privileged mode is incompatible with user namespaces."
            "  You must run the container in the host namespace when running privileged mode",
            remedy="run it with --userns=host, or without --privileged",
        )
    if options.network == "host":
        raise InvalidInput("", "cannot share the host's network namespace when user namespaces are enabled")
    if options.pid == "host":
        raise InvalidInput("", "cannot share the host PID namespace when user namespaces are enabled")
    for field in (*KINDS, "network"):
        mode = getattr(options, field)
        if mode == "host" or peer_of(mode):
            raise InvalidInput(
                "",
                f"cannot share another's {field} namespace when user namespaces are enabled",
                remedy="its root has rights in namespaces of its own only",
            )


def auto_size(mode: str) -> int:
    """How many ids ``auto[:size=N]`` asks for; 0 if ``mode`` is not that."""
    match = _AUTO.match(mode)
    return int(match[1] or _DEFAULT_SIZE) if match else 0


def explicit_map(mode: str) -> tuple[IdRange, ...]:
    """The ranges of ``map:CONTAINER:HOST:SIZE[,…]``; InvalidInput if no kernel takes them."""
    if not mode.startswith("map:"):
        raise InvalidInput(
            "--userns", "invalid USER mode", remedy="use host, auto[:size=N] or map:0:HOST:SIZE"
        )
    ranges = tuple(_range(text) for text in mode.removeprefix("map:").split(","))
    if len(ranges) > _MOST_LINES:
        raise InvalidInput("--userns", f"a map has {_MOST_LINES} ranges at most")
    if _overlap([(one.container, one.size) for one in ranges]) or _overlap(
        [(one.host, one.size) for one in ranges]
    ):
        raise InvalidInput("--userns", f"the ranges of {mode} overlap")
    if not any(one.container == 0 for one in ranges):
        raise InvalidInput("--userns", f"{mode} maps no root", remedy="begin with map:0:HOST:SIZE")
    return ranges


def free_range(size: int, allowed: Iterable[tuple[int, int]], taken: Iterable[IdRange]) -> IdRange:
    """The lowest ``size`` ids of ``allowed`` (first, count) that no range of ``taken`` has."""
    used = sorted((one.host, one.host + one.size) for one in taken)
    for first, count in sorted(allowed):
        start = first
        for begin, end in used:
            if begin < start + size and end > start:
                start = end
        if start + size <= first + count:
            return IdRange(container=0, host=start, size=size)
    raise InvalidInput(
        "--userns=auto",
        f"no {size} ids are free",
        remedy=f"give {OWNER} more in /etc/subuid and /etc/subgid, or ask for a smaller size",
    )


def allowed_ranges(subuid: str, subgid: str) -> tuple[tuple[int, int], ...]:
    """What both files' texts give to ``containers``, as (first, count); without entries the default range.

    InvalidInput if they have nothing in common: users and groups have one map here.
    """
    users, groups = _entries(subuid), _entries(subgid)
    if not users and not groups:
        return (DEFAULT_RANGE,)
    common = []
    for first, count in users:
        for other, others in groups:
            begin, end = max(first, other), min(first + count, other + others)
            if begin < end:
                common.append((begin, end - begin))
    if not common:
        raise InvalidInput("--userns=auto", f"/etc/subuid and /etc/subgid have no ids in common for {OWNER}")
    return tuple(common)


def _entries(text: str) -> list[tuple[int, int]]:
    rows = [line.strip().split(":") for line in text.splitlines()]
    return [
        (int(row[1]), int(row[2]))
        for row in rows
        if len(row) == _FIELDS and row[0] == OWNER and row[1].isdecimal() and row[2].isdecimal()
    ]


def _range(text: str) -> IdRange:
    numbers = text.split(":")
    if len(numbers) != _FIELDS or not all(number.isdecimal() and number.isascii() for number in numbers):
        raise InvalidInput("--userns", f"{text!r} is no range", remedy="write map:CONTAINER:HOST:SIZE")
    container, host, size = map(int, numbers)
    if not size or max(container, host) + size - 1 > _LAST_ID:
        raise InvalidInput("--userns", f"{text} is outside of the ids that there are (0 to {_LAST_ID})")
    return IdRange(container=container, host=host, size=size)


def _overlap(ranges: list[tuple[int, int]]) -> bool:
    ordered = sorted(ranges)
    return any(first + size > then for (first, size), (then, _) in pairwise(ordered))
