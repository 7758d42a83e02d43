"""Owns which addresses an owner gets of a network, and which leases are really in use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.errors import InvalidInput
from engine.network import addresses, bridge
from engine.shim.lock import lock_holder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from engine.networks.parts import Parts
    from engine.records import Network
    from engine.store.network_records import Lease

_DEFAULT = "bridge"
_STALE_NANOSECONDS = 60 * 10**9
"""What a start may take from the lease to the supervisor's lock."""


def lease(
    parts: Parts, network: Network, owner: str, *, address: str = "", address6: str = ""
) -> tuple[str, str]:
    """The owner's addresses in ``network``, IPv4 and IPv6; "" where it has no such subnet.

    Those it has already stay, unless it now wants ``address`` or ``address6``. One transaction.
    InvalidInput and NetworkFailure: see ``engine.network.addresses``.
    """

    def choose(mine: tuple[str, ...], taken: Mapping[str, str]) -> tuple[str, str]:
        kept = {":" in known: known for known in mine}
        return (
            _chosen(network, network.subnet, network.ip_range, taken, kept.get(False, ""), address),
            _chosen(network, network.subnet6, network.ip_range6, taken, kept.get(True, ""), address6),
        )

    return parts.records.lease(network, owner, choose, stale(parts))


def is_live(parts: Parts, owner: str) -> bool:
    """Whether the container's supervisor runs, or the owner (a build step has none) is plugged in."""
    return bool(lock_holder(parts.paths.container_lock(owner))) or bridge.is_plugged(owner)


def stale(parts: Parts) -> Callable[[Lease], bool]:
    """What tells of a lease whether its owner is gone, or never came to start."""

    def is_stale(known: Lease) -> bool:
        return time.time_ns() - known.leased > _STALE_NANOSECONDS and not is_live(parts, known.owner)

    return is_stale


def _chosen(
    network: Network, subnet: str, ip_range: str, taken: Mapping[str, str], kept: str, wanted: str
) -> str:
    if wanted:
        if network.name == _DEFAULT:
            reason = "user specified IP address is supported on user defined networks only"
            raise InvalidInput("", reason, remedy="make one: tuidock network create --subnet 10.123.0.0/24 …")
        return addresses.wanted_address(wanted, subnet, taken, configured=network.configured)
    if not subnet:
        return ""
    if kept and addresses.holds(subnet, kept):  # the default network may have moved
        return kept
    return addresses.next_address(subnet, taken, ip_range)
