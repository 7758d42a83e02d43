"""Owns what a check does as root and apart: connecting a container again, and others' chains that know us.

Called in workers (``launcher.work("engine.shim.mending:reconnect", {…})``), because it enters namespaces and
runs programs. What is there already is left as it is; refuses to decide what is wrong.
"""

from __future__ import annotations

import errno
import os

from engine.shim import firewall, foreign, netlink_send, wire, worker
from engine.shim.network import within

_MARK = "tuidock:"


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


def look_at_foreign(arguments: dict, _fds: list[int]) -> dict:  # type: ignore[type-arg]
    """{"bridges": those that rules in others' chains are for, "missing": those that have not all they need}.

    ``arguments``: ``wanted``, entries of bundles' ``network.firewall.bridges``.
    """
    found = foreign.obstacles()
    return {
        "bridges": sorted(mark.removeprefix(_MARK) for mark in foreign.marks()),
        "missing": [
            one["bridge"]
            for one in arguments["wanted"]
            if foreign.missing(one["foreign"], one["bridge"], found)
        ],
    }


def withdraw_foreign(arguments: dict, _fds: list[int]) -> dict:  # type: ignore[type-arg]
    """Take the rules for ``bridge`` out of others' chains, unless somebody is plugged into it by now."""
    bridge = arguments["bridge"]
    firewall.leave({"bridges": [{"bridge": bridge, "tables": [], "foreign": {"mark": _MARK + bridge}}]})
    return {}


def place_foreign(arguments: dict, _fds: list[int]) -> dict:  # type: ignore[type-arg]
    """Put what ``wanted`` (see ``look_at_foreign``) misses into others' chains."""
    firewall.place({"bridges": arguments["wanted"]})
    return {}


def _tolerant(items: list[dict]) -> list[dict]:  # type: ignore[type-arg]
    """``items``, of which any may have been done already."""
    return [{**item, "ignore_errno": [*item["ignore_errno"], errno.EEXIST]} for item in items]
