"""Owns ``system check``: what of a root is left over, missing or not as it was made; mended on request.

A look changes nothing. What somebody does at the same time can look wrong for a moment: only what is there in
two looks is told. Refuses to judge what is not proved to be this root's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from engine import loop
from engine.checking import addresses, containers, foreign, networks, storing
from engine.checking.known import read_known
from engine.containers.parts import Parts as ContainerParts
from engine.errors import EngineError, PermissionRequired
from engine.networks.parts import Parts as NetworkParts

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.checking.findings import Found
    from engine.networks import Networks
    from engine.paths import Paths
    from engine.records import Finding
    from engine.runtime.launcher import Launcher
    from engine.store.database import Database
    from engine.store.journal import Journal

_ROUNDS = 3
"""One mend may uncover what the next look finds."""
_MOMENT = 0.25
"""Seconds between two looks: a namespace that goes takes its interfaces along in less."""


class Checking:
    """The checks of one root."""

    def __init__(
        self,
        paths: Paths,
        database: Database,
        launcher: Launcher,
        journal: Journal,
        facade: Callable[[], Networks],
    ) -> None:
        self._launcher = launcher
        self._containers = ContainerParts(paths, database, launcher, journal, facade)
        self._networks = NetworkParts(paths, database, journal)

    async def check(self, *, repair: bool) -> tuple[Finding, ...]:
        """What is found, and of that what was ``repaired``. PermissionRequired for who may not look."""
        if os.geteuid() != 0:
            raise PermissionRequired("checking networks and processes", remedy="run it as root (sudo)")
        found = await self._seen_twice()
        if not (repair and found):
            return tuple(one.finding for one in found.values())
        left = found
        for _ in range(_ROUNDS):
            reasons = await _mended(left)
            left = await self._seen_twice()
            if not left.keys() - found.keys():
                break
            found = {**found, **left}
        told = [
            msgspec.structs.replace(one.finding, repaired=True, remedy="")
            for key, one in found.items()
            if key not in left
        ]
        for key, one in left.items():
            remedy = reasons.get(key) or one.finding.remedy
            told.append(msgspec.structs.replace(one.finding, remedy=remedy))
        return tuple(told)

    async def _seen_twice(self) -> dict[tuple[str, str, str], Found]:
        first = await self._look()
        if not first:
            return {}
        await loop.begin()
        import asyncio

        await asyncio.sleep(_MOMENT)
        return {key: one for key, one in (await self._look()).items() if key in first}

    async def _look(self) -> dict[tuple[str, str, str], Found]:
        known = await read_known(self._containers)
        found = (
            *containers.look(self._containers, known),
            *networks.look(self._networks, self._launcher, known),
            *await foreign.look(self._networks, self._launcher, known),
            *addresses.look(self._networks, known),
            *storing.look(self._containers),
        )
        return {one.key: one for one in found}


async def _mended(found: dict[tuple[str, str, str], Found]) -> dict[tuple[str, str, str], str]:
    """Mend all that can be; why what could not."""
    reasons = {}
    for key, one in found.items():
        if one.mend is None:
            continue
        try:
            await one.mend()
        except (EngineError, OSError) as error:
            reasons[key] = f"it could not be repaired: {error}"
    return reasons
