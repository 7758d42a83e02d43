"""Owns what a container is called in its networks, and what it may ask: the bundle's ``network.names``; pure.

As Docker: the default bridge has no names; a container of another network has its name, the first twelve
digits of its id, its host name and its aliases there. (A domain name's label has 63 bytes: the whole id,
of 64, cannot be asked for.)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from engine.records import Endpoint, Network

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST, CONTAINER, NOWHERE = "host", "container", "nowhere"
"""Where questions about other names are asked: from which namespace, or not at all."""
_SHORT, _ID_LENGTH = 12, 64


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What the others of a network find: see ``engine.shim.names``."""

    name: str
    aliases: tuple[str, ...]
    addresses: tuple[str, ...]
    lock: str


class NetworkNames(msgspec.Struct, frozen=True, kw_only=True):
    """One network: its name, the container's file in its folder, names that the container alone has."""

    network: str
    path: str
    entry: Entry | None
    links: dict[str, str] = {}


class NamesPlan(msgspec.Struct, frozen=True, kw_only=True):
    """``servers`` are those of ``--dns``; () is the host's. ``qualified``: names need a dot to be asked."""

    networks: tuple[NetworkNames, ...] = ()
    servers: tuple[str, ...] = ()
    forward: str = HOST
    qualified: bool = False
    rewrite: tuple[dict[str, Any], ...] = ()


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One network of the container: its record, the container's end in it, ``CONTAINER[:ALIAS]`` links."""

    network: Network
    endpoint: Endpoint
    links: tuple[str, ...] = ()


def names_plan(
    folder: str,
    owner: tuple[str, str, str],
    members: Iterable[Member],
    dns: tuple[str, ...] = (),
    dns_options: tuple[str, ...] = (),
    rewrite: tuple[dict[str, Any], ...] = (),
) -> NamesPlan:
    """The plan of a container with ``members``, in the order of its interfaces.

    ``folder`` is ``Paths.names``; ``owner`` is (id, name, path of the lock), without a lock (a build step)
    it is not found by others. Of each ``endpoint.names`` the container's own name is left out.
    ``rewrite`` is ``engine.network.names.rewrite_items``.
    """
    owner_id, name, lock = owner
    every = tuple(members)
    named = tuple(member for member in every if has_names(member.network))
    internal = all(member.network.internal for member in every)
    return NamesPlan(
        networks=tuple(
            NetworkNames(
                network=member.network.name,
                path=f"{folder}/{member.network.id}/{owner_id}",
                entry=_entry(name, lock, member.endpoint) if lock else None,
                links=_links(member.links),
            )
            for member in named
        ),
        servers=dns,
        forward=(CONTAINER if dns else NOWHERE if internal else HOST),
        qualified=wants_qualified(dns_options),
        rewrite=rewrite,
    )


def has_names(network: Network) -> bool:
    """Whether containers of ``network`` find each other by name: in all but Docker's three."""
    return network.name not in {"bridge", "host", "none"}


def endpoint_names(
    name: str, owner_id: str, hostname: str = "", aliases: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """All that a container is called in a network, its name first: ``Endpoint.names``."""
    wanted = (name, *aliases, owner_id[:_SHORT], hostname)
    return tuple(dict.fromkeys(filter(None, wanted)))


def wants_qualified(dns_options: tuple[str, ...]) -> bool:
    """Whether ``ndots`` was asked for: a name without a dot is then never asked of other servers.

    The container's own resolver asks again, with its search domains.
    """
    return any(_ndots(option) > 0 for option in dns_options)


def _ndots(option: str) -> int:
    key, _, value = option.partition(":")
    return int(value) if key == "ndots" and value.isdigit() else 0


def _entry(name: str, lock: str, endpoint: Endpoint) -> Entry:
    return Entry(
        name=name,
        aliases=tuple(other for other in endpoint.names if other != name),
        addresses=tuple(filter(None, (endpoint.address, endpoint.address6))),
        lock=lock,
    )


def _links(links: tuple[str, ...]) -> dict[str, str]:
    """Docker's ``CONTAINER[:ALIAS]``: from the alias (or the container's own name) to the container."""
    made = {}
    for link in links:
        target, _, alias = link.partition(":")
        found = target[:_SHORT] if len(target) == _ID_LENGTH else target.lstrip("/")
        made[(alias or os.path.basename(target)).lower()] = found
    return made
