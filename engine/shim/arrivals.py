"""Owns telling by which interface a relayed client came in, and whether that network leads nowhere else.

The rules of an internal network, and of one whose containers are kept apart, hold for what is forwarded. What
is relayed comes to a socket of the host instead, so their bridges bear a mark (the sysctl ``tag`` of the
interface, which the kernel only keeps). Refuses to relay anything itself.
"""

from __future__ import annotations

import struct

from engine.shim import sockets

SHUT_OFF = "30316"
"""The mark; what else somebody may keep there says nothing."""
_IP_PKTINFO, _IP_PKTOPTIONS, _IPV6_MULTICAST_IF = 8, 9, 17
_HEADER = struct.calcsize("Nii")  # of a control message, cmsg(3)
_INDEX = struct.Struct("i")


def tag_path(interface: str) -> str:
    """The file of an interface's mark, in the namespace of now."""
    return f"/proc/sys/net/ipv4/conf/{interface}/tag"


def is_shut_off(interface: int) -> bool:
    """Whether nothing is relayed to clients that come in by the interface with this number."""
    try:
        with open(tag_path(sockets.if_indextoname(interface)), "rb") as file:
            return file.read().strip() == SHUT_OFF.encode("ascii")
    except OSError:
        return False  # it is gone, and its clients with it


def interface_of(client: sockets.Socket) -> int:
    """The number of the interface by which an accepted TCP connection came in; 0 if nobody knows.

    The kernel keeps it as the connection's interface for multicast; IPv4 tells it among the packet's options.
    """
    try:
        if client.family == sockets.AF_INET6:
            return client.getsockopt(sockets.IPPROTO_IPV6, _IPV6_MULTICAST_IF)
        client.setsockopt(sockets.IPPROTO_IP, _IP_PKTINFO, 1)
        notes = client.getsockopt(sockets.IPPROTO_IP, _IP_PKTOPTIONS, 64)
        return int(_INDEX.unpack_from(notes, _HEADER)[0])
    except (OSError, struct.error):
        return 0
