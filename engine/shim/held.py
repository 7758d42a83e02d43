"""Owns the look at which ports another process holds, listening or only bound; refuses to give any back.

A bound socket that does not listen is in no list under /proc/net: the process's own sockets are looked at,
by pidfd_getfd(2).
"""

from __future__ import annotations

import os

from engine.shim import linux, sockets

_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}
_SO_PROTOCOL = 38


def held_ports(pid: int) -> set[tuple[str, int]]:
    """The (protocol, port) of every socket of the process that is bound to one; none if it has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return set()
    try:
        return {port for descriptor in _sockets(pid) if (port := _port(pidfd, descriptor))}
    finally:
        os.close(pidfd)


def _sockets(pid: int) -> list[int]:
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return []  # it has ended
    return [int(name) for name in names if _is_socket(f"{folder}/{name}")]


def _is_socket(path: str) -> bool:
    try:
        return os.readlink(path).startswith("socket:")
    except OSError:
        return False


def _port(pidfd: int, descriptor: int) -> tuple[str, int] | None:
    try:
        twin = sockets.Socket(fileno=linux.pidfd_getfd(pidfd, descriptor))
    except OSError:
        return None  # it is closed meanwhile
    with twin:
        try:
            protocol = _PROTOCOLS.get(twin.getsockopt(sockets.SOL_SOCKET, _SO_PROTOCOL), "")
            name = twin.getsockname()
        except OSError:
            return None
    is_port = protocol and isinstance(name, tuple)
    return (protocol, name[1]) if is_port else None
