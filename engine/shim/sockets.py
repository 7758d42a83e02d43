"""Owns sockets by the interpreter's C module: ``socket`` brings ``enum`` and ``selectors``, 1 MB of memory.

As ``socket`` has them, all close-on-exec; with what it adds for handing over descriptors (unix(7)).
"""

from __future__ import annotations

from _socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    CMSG_SPACE,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPV6_V6ONLY,
    MSG_CMSG_CLOEXEC,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    SCM_RIGHTS,
    SHUT_RD,
    SHUT_RDWR,
    SHUT_WR,
    SO_ACCEPTCONN,
    SO_ERROR,
    SO_KEEPALIVE,
    SO_RCVBUF,
    SO_RCVTIMEO,
    SO_REUSEADDR,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_RAW,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    if_indextoname,
    if_nametoindex,
    inet_ntop,
    inet_pton,
    socket,
)
from _socket import socketpair as _socketpair
from struct import calcsize, pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Self

__all__ = [
    "AF_INET",
    "AF_INET6",
    "AF_NETLINK",
    "AF_UNIX",
    "IPPROTO_IP",
    "IPPROTO_IPV6",
    "IPPROTO_TCP",
    "IPV6_V6ONLY",
    "MSG_CMSG_CLOEXEC",
    "MSG_DONTWAIT",
    "MSG_NOSIGNAL",
    "SHUT_RD",
    "SHUT_RDWR",
    "SHUT_WR",
    "SOCK_CLOEXEC",
    "SOCK_DGRAM",
    "SOCK_NONBLOCK",
    "SOCK_RAW",
    "SOCK_SEQPACKET",
    "SOCK_STREAM",
    "SOL_SOCKET",
    "SO_ACCEPTCONN",
    "SO_ERROR",
    "SO_KEEPALIVE",
    "SO_RCVBUF",
    "SO_RCVTIMEO",
    "SO_REUSEADDR",
    "Socket",
    "if_indextoname",
    "if_nametoindex",
    "inet_ntop",
    "inet_pton",
    "recv_fds",
    "send_fds",
    "socketpair",
]

_INT = calcsize("i")


class Socket(socket):
    """One socket, closed at the end of a ``with``."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def accept(self) -> tuple[Socket, Any]:
        """The next connection and its address; blocking, whatever this socket is."""
        descriptor, address = self._accept()  # type: ignore[attr-defined]
        return Socket(fileno=descriptor), address


def socketpair(family: int, kind: int) -> tuple[Socket, Socket]:
    """Two sockets that are connected to each other."""
    one, other = _socketpair(family, kind)
    return Socket(family, kind, 0, one.detach()), Socket(family, kind, 0, other.detach())


def send_fds(channel: socket, buffers: Iterable[bytes], descriptors: Sequence[int]) -> int:
    """Send ``buffers`` with duplicates of ``descriptors``; the number of bytes sent."""
    rights = pack(f"{len(descriptors)}i", *descriptors)
    return channel.sendmsg(buffers, [(SOL_SOCKET, SCM_RIGHTS, rights)])


def recv_fds(channel: socket, size: int, most: int, flags: int = 0) -> tuple[bytes, list[int], int, Any]:
    """Receive up to ``size`` bytes and ``most`` descriptors: (bytes, descriptors, flags, address).

    With more descriptors than ``most`` or than this process may have, some come; see recvmsg(2), MSG_CTRUNC.
    """
    content, messages, flags, address = channel.recvmsg(size, CMSG_SPACE(most * _INT), flags)
    descriptors: list[int] = []
    for level, kind, data in messages:
        if (level, kind) == (SOL_SOCKET, SCM_RIGHTS):
            count = len(data) // _INT
            descriptors += unpack(f"{count}i", data[: count * _INT])
    return content, descriptors, flags, address
