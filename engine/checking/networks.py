"""Owns what the kernel has of a root's networks, held against what really runs: links, tables, sysctls.

Of this root is what its records, its run folder or its journal prove to be its own: anything else belongs to
another root, or to somebody else, and is left alone.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import msgspec

from engine.checking.findings import Found, found
from engine.checking.wanted import Wanted, ends, items, table_items, wanted
from engine.network import bridge, forwarding, listing
from engine.network.listing import Link
from engine.network.plan import bridges, naming
from engine.network.plan import operations as ops
from engine.network.ruleset import Table, asked_tables, difference
from engine.runtime.claim import claimed
from engine.shim import netlink_send
from engine.shim.lock import lock_holder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from engine.checking.known import Known, Live
    from engine.networks.parts import Parts
    from engine.records import Network
    from engine.runtime.launcher import Launcher

_SHORT = 12


class Kernel(msgspec.Struct, frozen=True):
    """What there is, and what should be, at one instant."""

    links: dict[str, Link]
    tables: dict[tuple[str, str], Table]
    wanted: dict[str, Wanted]
    """By container id."""


def look(parts: Parts, launcher: Launcher, known: Known) -> Iterator[Found]:
    """What is missing, what is too much, what is not as it was made."""
    kernel = Kernel(
        listing.links(),
        listing.tables(naming.TABLE_PREFIX),
        {live.id: wanted(live) for live in known.live.values()},
    )
    networks = [network for network in parts.records.all() if network.bridge]
    for network in networks:
        yield from _bridge(parts, network, kernel)
    for network in parts.records.all():
        if network.parent and network.parent not in kernel.links:
            yield from _parent(network, known)
    for live in known.live.values():
        yield from _live(parts, launcher, live, kernel)
    yield from _links_too_many(parts, known, networks, kernel)
    yield from _tables_too_many(parts, known, networks, kernel)


# -- bridges ---------------------------------------------------------------------------------------
def _bridge(parts: Parts, network: Network, kernel: Kernel) -> Iterator[Found]:
    name, link = network.bridge, kernel.links.get(network.bridge)
    used = any(name in one.links.values() for one in kernel.wanted.values())
    mend = _making(parts, network, tables=used)
    if link is None:
        if used:
            yield found("interface", name, f"the bridge of network {network.name} is gone", mend)
        return
    if not link.up:
        yield found("interface", name, f"the bridge of network {network.name} is down", mend)
    for wanted_address in bridges.bridge_addresses(network):
        address = f"{wanted_address.address}/{wanted_address.prefix_length}"
        if address not in link.addresses:
            yield found("address", address, f"bridge {name} of network {network.name} has lost it", mend)
    for key, table in asked_tables(bridge.table_items(parts.templates, network)).items():
        if used or key in kernel.tables:  # they go with the last container
            yield from _table(key, table, kernel, mend)
    for path, value in forwarding.unset_sysctls(network) if used else ():
        name_of = path.removeprefix("/proc/sys/").replace("/", ".")
        yield found("sysctl", name_of, f"network {network.name} needs {value}", mend)


def _parent(network: Network, known: Known) -> Iterator[Found]:
    """Of a macvlan or an ipvlan, whose containers lose their ends with it."""
    for live in known.live.values():
        if any(end.network_id == network.id for end in ends(live)):
            why = f"the parent of network {network.name} is gone, and container {live.name} was on it"
            yield found("interface", network.parent, why, remedy=f"tuidock restart {live.name}")


def _making(parts: Parts, network: Network, *, tables: bool) -> Callable[[], Awaitable[None]]:
    async def make() -> None:
        with bridge.locked():
            bridge.make(parts.templates, network)
            if tables:
                bridge.make_tables(parts.templates, network)

    return make


def _table(
    key: tuple[str, str], table: Table, kernel: Kernel, mend: Callable[[], Awaitable[None]]
) -> Iterator[Found]:
    name, there = " ".join(key), kernel.tables.get(key)
    if there is None:
        yield found("table", name, "it is gone", mend)
    elif why := difference(table, there):
        yield found("table", name, why, mend)


# -- containers that run ---------------------------------------------------------------------------
def _live(parts: Parts, launcher: Launcher, live: Live, kernel: Kernel) -> Iterator[Found]:
    mend = _reconnecting(parts, launcher, live, kernel)
    for name, master in kernel.wanted[live.id].links.items():
        link = kernel.links.get(name)
        if link is None:
            yield found("interface", name, f"container {live.name} has lost it", mend)
        elif link.master != master:
            yield found("interface", name, f"container {live.name} is not plugged into {master}", mend)
        elif not link.up:
            yield found("interface", name, f"container {live.name}'s end in {master} is down", mend)
    for key, table in kernel.wanted[live.id].tables.items():
        yield from _table(key, table, kernel, mend)


def _reconnecting(
    parts: Parts, launcher: Launcher, live: Live, kernel: Kernel
) -> Callable[[], Awaitable[None]]:
    """Everything of the container that is not as its bundle has it goes, and is made anew."""
    mine = kernel.wanted[live.id]

    async def reconnect() -> None:
        links = listing.links()
        bad = [name for name, master in mine.links.items() if _is_unplugged(links.get(name), master)]
        tables = listing.tables(naming.TABLE_PREFIX)
        changed = [
            key for key, table in mine.tables.items() if key in tables and difference(table, tables[key])
        ]
        _send(
            parts,
            *(ops.DeleteLink(name) for name in bad),
            *(ops.DeleteTable(name, family) for family, name in changed),
        )
        arguments = {
            "pid": live.pid,
            "start_time": live.start_time,
            "host": msgspec.to_builtins((*items(live, "host"), *table_items(live))),
            "container": msgspec.to_builtins(items(live, "container")),
        }
        await launcher.work("engine.shim.mending:reconnect", arguments)

    return reconnect


def _is_unplugged(link: Link | None, master: str) -> bool:
    return link is not None and (link.master != master or not link.up)


# -- what is too much ------------------------------------------------------------------------------
def _links_too_many(parts: Parts, known: Known, networks: list[Network], kernel: Kernel) -> Iterator[Found]:
    kept = {name for one in kernel.wanted.values() for name in one.links}
    for owner in known.busy | (_plugged(parts) - known.dead):
        kept |= _veths(owner, networks)
    joined = {live.row.container.options.network.partition(":")[2] for live in known.live.values()}
    mine = {name: owner for owner in known.dead - joined for name in _veths(owner, networks)}
    bridges = {network.bridge for network in networks}
    for name, link in kernel.links.items():
        if link.kind != "veth" or name in kept or not name.startswith("veth"):
            continue
        if name in mine or (link.master in bridges and len(name) == len(naming.veth_name("0" * _SHORT))):
            delete = _deleting(parts, ops.DeleteLink(name), mine.get(name, ""))
            yield found("interface", name, "its container does not run", delete)
    for network_id in sorted(known.networks - {network.id for network in parts.records.all()}):
        for name in (f"br-{network_id[:_SHORT]}", f"dm-{network_id[:_SHORT]}"):
            if name in kernel.links:
                delete = _deleting(parts, ops.DeleteLink(name))
                yield found("interface", name, "its network was removed", delete)


def _veths(owner: str, networks: list[Network]) -> set[str]:
    """The names that the host's ends of an owner may have."""
    return {naming.veth_name(owner), *(naming.veth_name(owner, network.id) for network in networks)}


def _plugged(parts: Parts) -> set[str]:
    """Owners of addresses that are plugged in; of build steps nothing else tells that they live."""
    owners = {lease.owner for network in parts.records.all() for lease in parts.records.leases(network.id)}
    return {owner for owner in owners if bridge.is_plugged(owner)}


def _tables_too_many(parts: Parts, known: Known, networks: list[Network], kernel: Kernel) -> Iterator[Found]:
    kept = {key for one in kernel.wanted.values() for key in one.tables}
    busy = {naming.container_table(owner) for owner in known.busy}
    running = {naming.container_table(owner) for owner in known.live}
    dead = {naming.container_table(owner): owner for owner in known.dead}
    used = {master for one in kernel.wanted.values() for master in one.links.values()}
    used |= {link.master for link in kernel.links.values()}
    unused = {naming.bridge_table(one.bridge) for one in networks if one.bridge not in used}
    gone = known.networks - {network.id for network in parts.records.all()}
    removed = {naming.bridge_table(f"br-{network_id[:_SHORT]}") for network_id in gone}
    reasons = (
        (dead.keys() - running, "its container does not run"),
        (running, "its container publishes nothing by it"),
        (unused, "its bridge has no container"),
        (removed, "its network was removed"),
    )
    for key in sorted(kernel.tables.keys() - kept):
        family, name = key
        why = next((why for names, why in reasons if name in names), "")
        if why and name not in busy:
            delete = _deleting(parts, ops.DeleteTable(name, family), dead.get(name, ""))
            yield found("table", " ".join(key), why, delete)


def _deleting(
    parts: Parts, what: ops.DeleteLink | ops.DeleteTable, owner: str = ""
) -> Callable[[], Awaitable[None]]:
    """In the claim of its dead ``owner``, who would make it again."""

    async def delete() -> None:
        try:
            with claimed(parts.paths.container(owner)) if owner else nullcontext():
                if not (owner and lock_holder(parts.paths.container_lock(owner))):
                    _send(parts, what)
        except FileNotFoundError:
            _send(parts, what)  # it was removed
        except BlockingIOError:
            pass  # somebody is at it

    return delete


def _send(parts: Parts, *operations: ops.Operation) -> None:
    netlink_send.send([msgspec.to_builtins(item) for item in parts.templates.items(operations)])
