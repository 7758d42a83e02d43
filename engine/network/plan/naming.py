"""Owns the names of what a plan makes (tables, interfaces, MAC addresses), within the kernel's limits."""

from __future__ import annotations

import socket

TABLE_PREFIX = "tuidock-"
GUARD_TABLE = TABLE_PREFIX + "forward"
MAC_PREFIX = "02:42:"


def mac_from_address(address: str) -> str:
    """Docker's MAC for an IPv4 address: 02:42 and the address's four bytes; an IPv6 one's last four."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return MAC_PREFIX + socket.inet_pton(family, address)[-4:].hex(":")


def bridge_table(bridge: str) -> str:
    """The name of a bridge's own table."""
    return TABLE_PREFIX + bridge


def container_table(owner_id: str) -> str:
    """The name of a container's own table; always of the same length, so that a template fits."""
    return TABLE_PREFIX + owner_id[:12]


def veth_name(owner_id: str, network_id: str = "") -> str:
    """The host's end of the pair: as Docker's, and of the kernel's full 15 characters.

    An owner's first has the name of the owner; each further one, of the network ``network_id``, one made of
    both ids (hexadecimal, an owner's may have any of 0-9a-z), mixed bit by bit.
    """
    if not network_id:
        return "veth" + owner_id[:11]
    return f"veth{(int(owner_id[:11], 36) ^ int(network_id[:11], 16)) % 16**11:011x}"
