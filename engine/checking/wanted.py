"""Owns what the kernel should have of the containers that run, as their bundles' messages say it; pure."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from engine.network.attributes import attributes, text_of, value_of
from engine.network.ruleset import Table, asked_tables
from engine.network.template import NETLINK_ROUTE, Item
from engine.records import Endpoint, PortBinding
from engine.shim.netlink_send import messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.checking.known import Live

_NEWLINK, _NEWADDR, _CREATE = 16, 20, 0x400
_LINK_SIZE, _ADDRESS_SIZE = 16, 8
_IFLA_IFNAME, _IFLA_LINKINFO, _INFO_KIND = 3, 18, 1
_IFA_LOCAL = 2


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """All of one container: ``links`` maps its ends on the host to the bridges that they are plugged into.

    ``addresses`` are (interface, packed address) inside of it.
    """

    links: dict[str, str]
    tables: dict[tuple[str, str], Table]
    addresses: tuple[tuple[str, bytes], ...]


def wanted(live: Live) -> Wanted:
    """What the container has according to its bundle."""
    host, container = items(live, "host"), items(live, "container")
    return Wanted(
        links={name: master for name, kind, master in _made_links(host) if kind == "veth"},
        tables={**asked_tables(host), **asked_tables(table_items(live))},
        addresses=tuple(_addresses(container)),
    )


def table_items(live: Live) -> tuple[Item, ...]:
    """What makes the container's own tables once more."""
    tables = (live.network.get("firewall") or {}).get("tables", ())
    return msgspec.convert([item for table in tables for item in table["make"]], tuple[Item, ...])


def ends(live: Live) -> tuple[Endpoint, ...]:
    """Where the container is, as its supervisor knows it; an older release's does not say so."""
    told = live.network.get("endpoints")
    return live.row.container.endpoints if told is None else msgspec.convert(told, tuple[Endpoint, ...])


def published(live: Live) -> tuple[PortBinding, ...]:
    """As ``ends``, of its ports."""
    told = live.network.get("bindings")
    return live.row.container.ports if told is None else msgspec.convert(told, tuple[PortBinding, ...])


def items(live: Live, side: str) -> tuple[Item, ...]:
    """The items of one list of the container's bundle."""
    return msgspec.convert(live.network.get(side, []), tuple[Item, ...])


def _made_links(sent: Iterable[Item]) -> Iterator[tuple[str, str, str]]:
    """(name, kind, master) of each interface that is made."""
    for item in sent:
        for kind, flags, content in _messages(item):
            if kind == _NEWLINK and flags & _CREATE:
                told = attributes(content[_LINK_SIZE:])
                of = text_of(_INFO_KIND, attributes(value_of(_IFLA_LINKINFO, told)))
                yield text_of(_IFLA_IFNAME, told), of, next((name for _, name in item.indexes), "")


def _addresses(sent: Iterable[Item]) -> Iterator[tuple[str, bytes]]:
    for item in sent:
        for kind, _, content in _messages(item):
            if kind == _NEWADDR:
                told = value_of(_IFA_LOCAL, attributes(content[_ADDRESS_SIZE:]))
                yield next((name for _, name in item.indexes), ""), told


def _messages(item: Item) -> list[tuple[int, int, bytes]]:
    return list(messages(base64.b64decode(item.message))) if item.family == NETLINK_ROUTE else []
