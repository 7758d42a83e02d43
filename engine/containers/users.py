"""Owns which ids a new container's user namespace gets: nobody else's, from the choice to the record.

Unique among the containers of one root. Refuses to know how modes are written: ``engine.runtime.userns``.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from engine.runtime.namespaces import has_own_users

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.containers.parts import Parts
    from engine.options import IdRange
    from engine.records import Container

_FILES = ("/etc/subuid", "/etc/subgid")


@contextmanager
def with_id_map(parts: Parts, container: Container) -> Iterator[Container]:
    """``container`` with its map, to be recorded within the block; as it is without a user namespace."""
    if not has_own_users(container.options):
        yield container
        return
    from engine.runtime import userns  # which few containers ask for

    mode = container.options.userns
    size = userns.auto_size(mode)
    if not size:
        yield _mapped(container, userns.explicit_map(mode))
        return
    allowed = userns.allowed_ranges(*map(_read, _FILES))
    lock = os.open(f"{parts.paths.root}/userns.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        taken = [one for row in parts.records.list() for one in row.container.options.id_map]
        yield _mapped(container, (userns.free_range(size, allowed, taken),))
    finally:
        os.close(lock)


def _mapped(container: Container, ranges: tuple[IdRange, ...]) -> Container:
    options = msgspec.structs.replace(container.options, id_map=ranges)
    return msgspec.structs.replace(container, options=options)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except FileNotFoundError:
        return ""
