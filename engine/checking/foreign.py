"""Owns the marked rules in chains that are not ours: of bridges without containers, and missing ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.checking.findings import Found, found
from engine.network import listing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from engine.checking.known import Known
    from engine.networks.parts import Parts
    from engine.runtime.launcher import Launcher

_SHORT = 12


async def look(parts: Parts, launcher: Launcher, known: Known) -> tuple[Found, ...]:
    """What is too much, and what containers that run miss; their supervisors put it back within a second."""
    wanted: dict[str, dict[str, Any]] = {}
    for live in known.live.values():
        for one in (live.network.get("firewall") or {}).get("bridges", ()):
            if one["foreign"]:
                wanted[one["bridge"]] = one
    told = await launcher.work("engine.shim.mending:look_at_foreign", {"wanted": list(wanted.values())})
    records = parts.records.all()
    gone = known.networks - {network.id for network in records}
    mine = {network.bridge for network in records} | {f"br-{network_id[:_SHORT]}" for network_id in gone}
    used = {link.master for link in listing.links().values()}
    return (
        *(
            found("rule", name, "no container runs on this bridge", _withdrawing(launcher, name))
            for name in told["bridges"]
            if name in mine and name not in used
        ),
        *(
            found("rule", name, "what lets its packets pass is gone", _placing(launcher, wanted[name]))
            for name in told["missing"]
        ),
    )


def _withdrawing(launcher: Launcher, bridge: str) -> Callable[[], Awaitable[None]]:
    async def withdraw() -> None:
        await launcher.work("engine.shim.mending:withdraw_foreign", {"bridge": bridge})

    return withdraw


def _placing(launcher: Launcher, wanted: dict[str, Any]) -> Callable[[], Awaitable[None]]:
    async def place() -> None:
        await launcher.work("engine.shim.mending:place_foreign", {"wanted": [wanted]})

    return place
