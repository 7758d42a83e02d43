"""Owns what a root's records and files say of addresses, names and ports, held against what really runs."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.checking.findings import Found, found
from engine.checking.wanted import ends, published, wanted
from engine.network import bridge
from engine.runtime.claim import claimed
from engine.shim import names
from engine.shim.held import held_ports
from engine.shim.lock import lock_holder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from engine.checking.known import Known, Live
    from engine.networks.parts import Parts
    from engine.records import Network
    from engine.store.network_records import Lease

_STARTING = 60 * 10**9


def look(parts: Parts, known: Known) -> Iterator[Found]:
    """Leases, the addresses inside of containers, the names of networks, published ports."""
    yield from _leases(parts, known)
    for live in known.live.values():
        yield from _inside(live)
        yield from _ports(live)
    yield from _names(parts, known)


# -- leases ----------------------------------------------------------------------------------------
def _leases(parts: Parts, known: Known) -> Iterator[Found]:
    networks = {network.id: network for network in parts.records.all()}
    leased = {
        (network.id, lease.address): lease
        for network in networks.values()
        for lease in parts.records.leases(network.id)
    }
    there = {(end.network_id, live.id) for live in known.live.values() for end in ends(live)}
    for (network_id, address), lease in leased.items():
        network = networks[network_id]
        if lease.owner in known.live and (network_id, lease.owner) not in there:
            name = known.live[lease.owner].name
            why = f"it is leased in network {network.name} to container {name}, which is not in it"
            yield found("address", address, why, _leaving(parts, lease, network_id))
        if lease.owner in known.dead:
            why = f"it is leased in network {network.name}, and its container does not run"
            if lease.owner not in known.ended:
                yield found("address", address, why, _releasing(parts, lease))
        elif lease.owner not in known.live and lease.owner not in known.busy and _is_stale(lease):
            why = f"it is leased in network {network.name} to nobody that runs"
            yield found("address", address, why, _releasing(parts, lease))
    for live in known.live.values():
        for endpoint in ends(live):
            for address in filter(None, (endpoint.address, endpoint.address6)):
                if endpoint.network_id in networks:
                    holder = leased.get((endpoint.network_id, address))
                    yield from _lease_of(parts, networks[endpoint.network_id], live, address, holder)


def _lease_of(
    parts: Parts, network: Network, live: Live, address: str, holder: Lease | None
) -> Iterator[Found]:
    if holder is None:
        why = f"container {live.name} has it in network {network.name}, and no lease of it"

        async def restore() -> None:
            parts.records.restore_lease(network.id, address, live.id)

        yield found("address", address, why, restore)
    elif holder.owner != live.id:
        why = f"container {live.name} has it in network {network.name}, and {holder.owner[:12]} its lease"
        yield found("address", address, why, remedy=f"tuidock restart {live.name}")


def _leaving(parts: Parts, lease: Lease, network_id: str) -> Callable[[], Awaitable[None]]:
    """Of a container that runs: whoever connects it to a network leases an address before."""

    async def release() -> None:
        with suppress(BlockingIOError), claimed(parts.paths.container(lease.owner)):
            parts.records.release_from(network_id, lease.owner)

    return release


def _releasing(parts: Parts, lease: Lease) -> Callable[[], Awaitable[None]]:
    async def release() -> None:
        try:
            with claimed(parts.paths.container(lease.owner)):
                if not lock_holder(parts.paths.container_lock(lease.owner)):
                    parts.records.release(lease.owner)
        except FileNotFoundError:
            parts.records.release(lease.owner)  # it was removed, or is no container
        except BlockingIOError:
            pass  # somebody is at it

    return release


def _is_stale(lease: Lease) -> bool:
    """A build step's, which has no lock: it is plugged in soon after it got the address."""
    return time.time_ns() - lease.leased > _STARTING and not bridge.is_plugged(lease.owner)


# -- inside of containers --------------------------------------------------------------------------
def _inside(live: Live) -> Iterator[Found]:
    there = _local_addresses(live.pid)
    if there is None:
        return  # it has just ended
    for interface, packed in wanted(live).addresses:
        if packed not in there:
            address = socket.inet_ntop(
                socket.AF_INET if len(packed) == len(b"ipv4") else socket.AF_INET6, packed
            )
            why = f"container {live.name} has lost it from {interface}"
            yield found("address", address, why, remedy=f"tuidock restart {live.name}")


def _local_addresses(pid: int) -> set[bytes] | None:
    """The packed addresses of the process's network namespace."""
    found_ones: set[bytes] = set()
    try:
        with open(f"/proc/{pid}/net/fib_trie", encoding="ascii") as file:
            last = ""
            for line in file:
                if "|--" in line:
                    last = line.split()[-1]
                elif "host LOCAL" in line:
                    found_ones.add(socket.inet_aton(last))
        with open(f"/proc/{pid}/net/if_inet6", encoding="ascii") as file:
            found_ones |= {bytes.fromhex(line.split()[0]) for line in file}
    except FileNotFoundError:
        return found_ones or None  # a kernel without IPv6
    except OSError:
        return None
    return found_ones


def _ports(live: Live) -> Iterator[Found]:
    """Every published port is bound by the supervisor: nobody else can take it."""
    wanted_ports = {(port.protocol, port.host_port) for port in published(live) if port.host_port}
    missing = wanted_ports - held_ports(live.supervisor) if wanted_ports else ()
    for protocol, number in sorted(missing):
        what = f"{number}/{protocol}"
        why = f"container {live.name} publishes it, and does not hold it"
        yield found("port", what, why, remedy=f"tuidock restart {live.name}")


# -- names -----------------------------------------------------------------------------------------
def _names(parts: Parts, known: Known) -> Iterator[Found]:
    folder = parts.paths.names
    networks = {network.id for network in parts.records.all()}
    kept = set()
    for live in known.live.values():
        for network in (live.network.get("names") or {}).get("networks", ()):
            path = network["path"]
            kept.add(path)
            if network["entry"] and not os.path.exists(path):
                why = f"others do not find container {live.name} in network {network['network']}"
                yield found("name", path, why, _publishing(live))
    for network_id in _listed(folder):
        for name in _listed(f"{folder}/{network_id}"):
            path = f"{folder}/{network_id}/{name}"
            if path not in kept and not name.startswith(".") and name not in known.busy:
                yield found("name", path, "its container does not run", _unlinking(path))
        if network_id not in networks:
            why = "its network was removed"
            yield found("name", f"{folder}/{network_id}", why, _unlinking(f"{folder}/{network_id}"))


def _publishing(live: Live) -> Callable[[], Awaitable[None]]:
    async def publish() -> None:
        names.Names(live.network["names"]).publish()

    return publish


def _unlinking(path: str) -> Callable[[], Awaitable[None]]:
    async def unlink() -> None:
        (os.rmdir if os.path.isdir(path) else os.unlink)(path)

    return unlink


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
