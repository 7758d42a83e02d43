"""Owns finding the containers whose namespaces another one shares: at its creation, and at each start.

Refuses to join anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.containers.folding import current
from engine.runtime.namespaces import KINDS, PEER, peer_of

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.options import CreateOptions
    from engine.records import Container


async def with_peer_ids(parts: Parts, options: CreateOptions) -> CreateOptions:
    """``options`` with the ids of the containers that its modes name; NotFound if there is none.

    As Docker: another container that takes the name later is not meant.
    """
    fields: dict[str, Any] = {}
    for kind in (*KINDS, "network"):
        if reference := peer_of(getattr(options, kind)):
            fields[kind] = PEER + (await current(parts, reference)).container.id
    return msgspec.structs.replace(options, **fields) if fields else options


async def peers_of(parts: Parts, options: CreateOptions) -> dict[str, Container]:
    """The container of each field of ``options`` that names one, with its facts of now."""
    found = {}
    for field in (*KINDS, "network"):
        if reference := peer_of(getattr(options, field)):
            found[field] = (await current(parts, reference)).container
    return found
