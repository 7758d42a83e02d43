"""Owns what the kernel has in this network namespace: links, addresses, tables; refuses to change any.

Asked by dumps (netlink(7), rtnetlink(7), nfnetlink), which need no permission for links and CAP_NET_ADMIN for
nftables. Without pyroute2: a question has no attributes here, and answers are taken by ``attributes``.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

import msgspec

from engine.errors import NetworkFailure, PermissionRequired
from engine.network.attributes import attributes, number_of, text_of, value_of
from engine.network.ruleset import Chain, Rule, Table, listed_tables
from engine.network.template import NETLINK_NETFILTER, NETLINK_ROUTE
from engine.shim import iptables, nftables
from engine.shim.netlink_send import messages

_HEADER = struct.Struct("=IHHII")
_DUMP = 0x1 | 0x300
_MULTI_INTERRUPTED = 0x10
_ERROR, _DONE = 2, 3
_ATTEMPTS = 5
_SIZE = 1 << 16
_SECONDS = 10.0
_GETLINK, _GETADDR = 18, 22
_LINK = struct.Struct("=BxHiII")  # ifinfomsg
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _INFO_KIND = 3, 10, 18, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_UP = 1
_NFTABLES = 10 << 8
_GETTABLE, _GETCHAIN, _GETRULE = 1, 4, 7
_NFGEN = struct.Struct("=BBH")
_FAMILIES = {2: "ip", 10: "ip6", 1: "inet", 5: "netdev", 3: "arp", 7: "bridge"}


class Link(msgspec.Struct, frozen=True):
    """An interface; ``kind`` is the driver's word (veth, bridge, …), ``master`` the bridge that has it."""

    name: str
    index: int
    kind: str = ""
    master: str = ""
    up: bool = False
    addresses: tuple[str, ...] = ()
    """With their prefix lengths."""


def links() -> dict[str, Link]:
    """All interfaces, by name."""
    found = {}
    masters = {}
    for _, content in _dump(NETLINK_ROUTE, _GETLINK, bytes(_LINK.size)):
        _, _, index, flags, _ = _LINK.unpack_from(content)
        told = attributes(content[_LINK.size :])
        kind = text_of(_INFO_KIND, attributes(value_of(_IFLA_LINKINFO, told)))
        masters[index] = number_of(_IFLA_MASTER, told)
        found[index] = Link(text_of(_IFLA_IFNAME, told), index, kind, up=bool(flags & _UP))
    addresses = _addresses()
    named = {}
    for index, link in found.items():
        master = found.get(masters[index])
        named[link.name] = msgspec.structs.replace(
            link, master=master.name if master else "", addresses=tuple(addresses.get(index, ()))
        )
    return named


def tables(prefix: str) -> dict[tuple[str, str], Table]:
    """The tables whose names begin with ``prefix``, by (family, name), with their chains and rules."""
    found = {}
    if not nftables.is_supported():
        listed = {}
        for family in iptables.families():
            listed.update(listed_tables(family, iptables.listed(family)))
        return {key: table for key, table in listed.items() if key[1].startswith(prefix)}
    for family, content in _nftables(_GETTABLE):
        name = text_of(1, content)
        if name.startswith(prefix):
            found[family, name] = Table(family, name)
    if not found:
        return {}
    chains: dict[tuple[str, str], list[Chain]] = {}
    for family, content in _nftables(_GETCHAIN):
        if (table := (family, text_of(1, content))) in found:
            chains.setdefault(table, []).append(Chain.told(content))
    rules: dict[tuple[str, str], list[Rule]] = {}
    for family, content in _nftables(_GETRULE):
        if (table := (family, text_of(1, content))) in found:
            rules.setdefault(table, []).append(Rule.told(content))
    return {key: Table(*key, tuple(chains.get(key, ())), tuple(rules.get(key, ()))) for key in found}


def _addresses() -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for _, content in _dump(NETLINK_ROUTE, _GETADDR, bytes(_ADDRESS.size)):
        family, length, _, _, index = _ADDRESS.unpack_from(content)
        told = attributes(content[_ADDRESS.size :])
        packed = value_of(_IFA_LOCAL, told) or value_of(_IFA_ADDRESS, told)
        found.setdefault(index, []).append(f"{socket.inet_ntop(family, packed)}/{length}")
    return found


def _nftables(kind: int) -> list[tuple[str, list[tuple[int, bytes]]]]:
    """(family, attributes) of all tables, chains or rules of every family."""
    asked = _NFGEN.pack(socket.AF_UNSPEC, 0, 0)
    try:
        answers = _dump(NETLINK_NETFILTER, _NFTABLES | kind, asked)
    except OSError as error:
        if error.errno in {errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL}:
            return []  # the kernel has no nf_tables
        raise
    return [(_FAMILIES.get(content[0], ""), attributes(content[_NFGEN.size :])) for _, content in answers]


def _dump(family: int, kind: int, content: bytes) -> list[tuple[int, bytes]]:
    """The (type, content) of every answer; once more if something changed meanwhile."""
    try:
        for _ in range(_ATTEMPTS):
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family) as kernel:
                kernel.settimeout(_SECONDS)
                header = _HEADER.pack(_HEADER.size + len(content), kind, _DUMP, 1, 0)
                kernel.send(header + content)
                found, changed = _answers(kernel)
            if not changed:
                break
    except PermissionError as error:
        remedy = "run tuidock as root (CAP_NET_ADMIN)"
        raise PermissionRequired("list what the kernel has of networks", remedy=remedy) from error
    except TimeoutError as error:
        raise NetworkFailure("list what the kernel has of networks", "it did not answer") from error
    return found


def _answers(kernel: socket.socket) -> tuple[list[tuple[int, bytes]], bool]:
    """What the kernel tells, and whether that changed meanwhile."""
    found: list[tuple[int, bytes]] = []
    changed = False
    while True:
        for kind, flags, content in messages(kernel.recv(_SIZE)):
            changed = changed or bool(flags & _MULTI_INTERRUPTED)
            if kind == _DONE:
                return found, changed
            if kind == _ERROR:
                number = -struct.unpack_from("=i", content)[0]
                if number == errno.EINTR:
                    return found, True
                raise OSError(number, os.strerror(number))
            found.append((kind, content))
