"""Owns connecting a running container to its networks once more, after somebody took its interfaces away.

Called in a worker (``launcher.work("engine.shim.reconnect:reconnect", {…})``). What is there already is left
as it is; refuses to decide what is missing.
"""

from __future__ import annotations

import errno
import os

from engine.shim import netlink_send, wire, worker
from engine.shim.network import within


def reconnect(arguments: dict, _fds: list[int]) -> dict:  # type: ignore[type-arg]  # JSON
    """Send ``host`` and ``container`` (as in a bundle's ``network``) for the container of ``pid``.

    ``arguments`` has ``pid`` and ``start_time`` too: ProcessLookupError if it is another process by now.
    """
    pid = arguments["pid"]
    netns = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    if worker.process_start_time(pid) != arguments["start_time"]:
        raise ProcessLookupError(errno.ESRCH, "the container has ended")
    os.dup2(netns, wire.NETNS_FD, inheritable=False)
    os.close(netns)
    host, container = (_tolerant(arguments[side]) for side in ("host", "container"))
    netlink_send.send(host)
    within(wire.NETNS_FD, lambda: netlink_send.send(container))
    return {}


def _tolerant(items: list[dict]) -> list[dict]:  # type: ignore[type-arg]
    """``items``, of which any may have been done already."""
    return [{**item, "ignore_errno": [*item["ignore_errno"], errno.EEXIST]} for item in items]
