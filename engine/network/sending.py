"""Owns sending a plan's messages from the engine's own process, and what is said when the kernel refuses."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from engine.errors import NetworkFailure, PermissionRequired
from engine.network.template import NETLINK_NETFILTER
from engine.shim import netlink_send

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.network.template import Item

_LOCK = "/run/tuidock-network.lock"
_NOT_THERE = (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL)
"""No such table; and no nf_tables in this kernel at all."""
_NO_NFTABLES = "load the kernel's nf_tables (modprobe nf_tables), or use --network host or none"


def send(operation: str, items: Iterable[Item], *, missing: bool = False) -> bool:
    """Send ``items``; False if there are none, or (``missing``) none of what they look for.

    NetworkFailure, or PermissionRequired, of ``operation`` at the first that is refused.
    """
    sent = False
    for item in items:
        sent = True
        try:
            netlink_send.send([msgspec.to_builtins(item)])
        except PermissionError as error:
            raise PermissionRequired(operation, remedy="run tuidock as root (CAP_NET_ADMIN)") from error
        except OSError as error:
            if missing and error.errno in _NOT_THERE:
                return False
            remedy = _NO_NFTABLES if item.family == NETLINK_NETFILTER else ""
            raise NetworkFailure(operation, error.strerror or str(error), remedy=remedy) from error
    return sent


@contextmanager
def locked() -> Iterator[None]:
    """One process at a time makes or removes bridges and chooses subnets; never held over an await.

    Of this host, not of one root: two roots must not choose one subnet, nor take the other's half-made
    bridge for an interface to be kept apart.
    """
    descriptor = os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
