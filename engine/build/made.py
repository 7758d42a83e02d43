"""Owns the layers that a build has made and not yet recorded: one sync and one write for several of them.

A record must not reach the disk before its layer does, and a sync costs more than a short step. So layers
are recorded together, at most half a second later; a failed or cancelled build records what it has.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.store.build_records import BuildRecords, CachedStep

if TYPE_CHECKING:
    from engine.build.layers import LayerMaker
    from engine.store.layers import Layer

_SECONDS = 0.5


class MadeLayers:
    """Layers in place, with the keys that lead to them."""

    def __init__(self, maker: LayerMaker, records: BuildRecords) -> None:
        self._maker = maker
        self._records = records
        self._waiting: list[tuple[str, Layer]] = []
        self._recorded = time.monotonic()

    def find(self, key: str) -> CachedStep | None:
        """What an equal step of this build has just led to."""
        return next((_cached(key, layer) for known, layer in self._waiting if known == key), None)

    async def add(self, key: str, layer: Layer) -> CachedStep:
        """Take one more, and record all if it is time."""
        self._waiting.append((key, layer))
        if time.monotonic() - self._recorded > _SECONDS:
            await self.record()
        return _cached(key, layer)

    async def record(self) -> None:
        """Make what waits survive a power cut, then record it."""
        if self._waiting:
            await self._maker.settle()
            self._records.put(self._waiting)
            self._waiting = []
        self._recorded = time.monotonic()


def _cached(key: str, layer: Layer) -> CachedStep:
    return CachedStep(
        key=key,
        chain_id=layer.chain_id,
        diff_id=layer.diff_id,
        created=layer.created,
        used=layer.created,
    )
