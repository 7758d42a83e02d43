"""Owns that the host's rules for a container are there while it runs, and gone with the last of its bridge.

Somebody else may take them away: who flushes the ruleset, reloads it, or restarts Docker or firewalld. The
kernel tells of each transaction (NFNLGRP_NFTABLES); a filter lets only those of others through, so that no
container wakes up because another one starts. What is wanted is the bundle's ``network.firewall``; refuses to
compose it. Of iptables' old backend the kernel tells nothing: that is looked at when a container starts.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct

from engine.shim import json_text, netlink_send, nftables, sockets
from engine.shim.host_lock import take_lock

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from engine.shim.loop import Loop, Timer

LOCK = "/run/tuidock-network.lock"
"""flock: shared by who plugs a container in, exclusive by who makes or removes what is a bridge's."""
_PLACING = "/run/tuidock-firewall.lock"
_OURS = b"tuidock-"
_GROUP, _ADD_MEMBERSHIP, _SOL_NETLINK, _SO_ATTACH_FILTER = 7, 1, 270, 26
_NEWGEN = (10 << 8) | 15
_PROCESS_NAME = 40
"""Where in NEWGEN's message the name of the process begins: after its header and two numbers."""
_IN = 1
_DELAY, _LONGEST = 0.2, 60.0
"""Seconds from the first change to a look; what cannot be mended is tried less and less often."""
_PLACING_SECONDS = 20.0
_NOTHING: dict = {}  # type: ignore[type-arg]


class Firewall:
    """The rules of one container and of its bridges; ``wanted`` is ``network.firewall`` or None."""

    __slots__ = ("_child", "_delay", "_events", "_loop", "_owed", "_timer", "_wanted")

    def __init__(self, wanted: dict | None) -> None:  # type: ignore[type-arg]
        self._wanted = wanted or _NOTHING
        self._events: sockets.Socket | None = None
        self._loop: Loop | None = None
        self._timer: Timer | None = None
        self._delay = _DELAY
        self._owed = False
        self._child = (0, -1)

    def ensure(self) -> None:
        """The container is plugged in: what belongs to its bridges is there afterwards; raises OSError.

        Whoever removes that looks, with the lock held, whether somebody is plugged in: so either it has been
        removed before this looks, or it stays.
        """
        if not self._wanted:
            return
        if self._events is None:
            self._events = _subscribe()  # before the look: nothing that changes after it is missed
        lock = take_lock(LOCK, fcntl.LOCK_SH)
        try:
            for bridge in self._wanted.get("bridges", ()):
                if _make(bridge["tables"]) and _was_flushed(bridge):
                    _make(_guards())
        finally:
            if lock >= 0:
                os.close(lock)
        if obstructed(self._wanted):
            from engine.shim import programs

            self._owed = programs.wait(self._place(), _PLACING_SECONDS) != 0
        if self._loop is not None:
            self.attend(self._loop)

    def change(self, wanted: dict | None, *, up: bool) -> None:  # type: ignore[type-arg]
        """The container has joined and left networks: ``wanted`` is that from now on; raises OSError."""
        before, self._wanted = self._wanted, wanted or _NOTHING
        if up:
            self.ensure()
        kept = {bridge["bridge"] for bridge in self._wanted.get("bridges", ())}
        leave({"bridges": [one for one in before.get("bridges", ()) if one["bridge"] not in kept]})

    def attend(self, loop: Loop) -> None:
        """On ``loop``: put back what somebody has taken away."""
        self._loop = loop
        if self._events is not None:
            loop.watch(self._events.fileno(), _IN, self._on_change)
        if self._owed:
            self._later()

    def rest(self) -> None:
        """The container is unplugged: nothing is looked after until ``ensure``."""
        if self._loop is not None:
            if self._events is not None:
                self._loop.forget(self._events.fileno())
            self._loop.cancel(self._timer)
            if self._child[0]:
                self._reap()
            self._loop.cancel(self._timer)
        if self._events is not None:
            self._events.close()
            self._events = None

    def leave(self) -> None:
        """At the very end, when nobody waits any more: see the function ``leave``."""
        leave(self._wanted)

    def _on_change(self, _events: int) -> None:
        # Not read now, nor watched: however much changes, it is one look.
        loop, events = self._loop, self._events
        if loop is not None and events is not None:
            loop.forget(events.fileno())
            loop.cancel(self._timer)
            self._timer = loop.after(self._delay, self._look)

    def _later(self) -> None:
        """What could not be mended is tried again, less and less often."""
        loop = self._loop
        if loop is not None:
            self._delay = min(2 * self._delay, _LONGEST)
            loop.cancel(self._timer)
            self._timer = loop.after(self._delay, self._look)

    def _look(self) -> None:
        loop, events = self._loop, self._events
        if loop is None:
            return
        try:
            if events is not None:
                _drain(events)
                loop.watch(events.fileno(), _IN, self._on_change)
            _make(self._wanted.get("tables", ()))
            bridges = [table for tables in _tables(self._wanted) for table in tables]
            if _make(bridges):
                # All was flushed. A guard that alone is gone was deleted: somebody wants a router.
                _make(_guards())
            if obstructed(self._wanted):
                self._clear_way()
            else:
                self._delay = _DELAY
        except OSError:
            self._later()

    def _clear_way(self) -> None:
        """By a child: programs take their time."""
        loop = self._loop
        if loop is not None and not self._child[0]:
            pid = self._place()
            self._child = pid, os.pidfd_open(pid)
            loop.watch(self._child[1], _IN, lambda _events: self._reap())

    def _reap(self) -> None:
        pid, pidfd = self._child
        if self._loop is not None:
            self._loop.forget(pidfd)
        os.close(pidfd)
        self._child = 0, -1
        if os.waitpid(pid, 0)[1]:
            self._later()
        else:
            self._delay = _DELAY

    def _place(self) -> int:
        """The pid of a child that puts rules into others' chains; it exits with 0 if they are there."""
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            place(self._wanted)
            code = int(obstructed(self._wanted))
        finally:
            os._exit(code)


def obstructed(wanted: dict) -> bool:  # type: ignore[type-arg]
    """Whether a chain of others' drops what is forwarded, and has no rules for a bridge that needs them."""
    bridges = [bridge for bridge in wanted.get("bridges", ()) if bridge["foreign"]]
    if not bridges or not has_foreign():
        return False
    from engine.shim import foreign  # where somebody else filters, only

    found = foreign.obstacles()
    return any(foreign.missing(bridge["foreign"], bridge["bridge"], found) for bridge in bridges)


def has_foreign() -> bool:
    """Whether somebody else has a chain on the way of what is forwarded; most hosts have none."""
    return bool(nftables.forward_chains(_OURS)) or _has_legacy()


def place(wanted: dict) -> None:  # type: ignore[type-arg]
    """Put what is missing into others' chains; one process of the host at a time does it. Raises OSError."""
    from engine.shim import foreign

    lock = take_lock(_PLACING, fcntl.LOCK_EX)
    try:
        for bridge in wanted.get("bridges", ()):
            if bridge["foreign"]:
                foreign.clear_way(bridge["foreign"], bridge["bridge"])
    finally:
        if lock >= 0:
            os.close(lock)


def leave(wanted: dict | None) -> None:  # type: ignore[type-arg]
    """Remove what belongs to the bridges that have no container left; what cannot be is left to a check."""
    bridges = [one for one in (wanted or _NOTHING).get("bridges", ()) if not _ports(one["bridge"])]
    lock = take_lock(LOCK, fcntl.LOCK_EX) if bridges else -1
    if lock < 0:
        return
    try:
        for bridge in bridges:
            if not _ports(bridge["bridge"]):  # nobody has plugged in meanwhile
                _remove(bridge)
    except OSError:
        pass
    finally:
        os.close(lock)


def _remove(bridge: dict) -> None:  # type: ignore[type-arg]
    # Looked for first: deleting a table costs the kernel a grace period also if it is not there.
    netlink_send.send_all([table["remove"] for table in bridge["tables"] if _is_there(table)])
    wanted = bridge["foreign"]
    if wanted and has_foreign():
        from engine.shim import foreign

        foreign.withdraw(wanted["mark"], bridge["bridge"])


def _make(tables: list[dict]) -> bool:  # type: ignore[type-arg]
    """Make those of ``tables`` that are not there; whether there were any."""
    missing = [table for table in tables if not _is_there(table)]
    for table in missing:
        # Somebody else may be as quick: a table comes as a whole or not at all.
        items = [{**item, "ignore_errno": [*item["ignore_errno"], errno.EEXIST]} for item in table["make"]]
        netlink_send.send(items)
    return bool(missing)


def _was_flushed(bridge: dict) -> bool:  # type: ignore[type-arg]
    """Whether somebody has taken away what others on the bridge had; of iptables no event tells it."""
    by_iptables = any(table["find"]["family"] == netlink_send.IPTABLES for table in bridge["tables"])
    return by_iptables and _ports(bridge["bridge"]) > 1


def guard_path() -> str:
    """The file with what makes the guard tables of this network namespace: {family: as in ``tables``}."""
    return f"/run/tuidock-forward-{os.stat('/proc/self/ns/net').st_ino}.json"


def _guards() -> list[dict]:  # type: ignore[type-arg]
    try:
        with open(guard_path(), encoding="utf-8") as file:
            return list(json_text.loads(file.read()).values())
    except (FileNotFoundError, ValueError):
        return []


def _is_there(table: dict) -> bool:  # type: ignore[type-arg]
    try:
        netlink_send.send([table["find"]])
    except FileNotFoundError:
        return False
    return True


def _tables(wanted: dict) -> list[list[dict]]:  # type: ignore[type-arg]
    return [bridge["tables"] for bridge in wanted.get("bridges", ())]


def _ports(bridge: str) -> int:
    """How many interfaces are plugged in."""
    try:
        return len(os.listdir(f"/sys/class/net/{bridge}/brif"))
    except OSError:
        return 0


def _has_legacy() -> bool:
    for names in ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"):
        try:
            with open(names, "rb") as file:
                if file.read(1):
                    return True
        except OSError:
            pass
    return False


def _subscribe() -> sockets.Socket | None:
    """A socket that gets one message for each transaction of others; None if the kernel has no nf_tables."""
    kind = sockets.SOCK_RAW | sockets.SOCK_CLOEXEC | sockets.SOCK_NONBLOCK
    try:
        events = sockets.Socket(sockets.AF_NETLINK, kind, nftables.NETFILTER)
    except OSError:
        return None
    program = _filter()
    code = ctypes.create_string_buffer(program, len(program))
    events.setsockopt(
        sockets.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    )
    events.bind((0, 0))
    events.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)
    return events


def _filter() -> bytes:
    """Classic BPF: the end of a transaction (NEWGEN) whose process is not called tuid…, as ours are.

    A program loads in the network's byte order, the header is in this machine's.
    """
    (newgen,) = struct.unpack(">H", struct.pack("=H", _NEWGEN))
    (ours,) = struct.unpack(">I", b"tuid")
    load_half, load_word, equal, give = 0x28, 0x20, 0x15, 0x06
    return b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (load_half, 0, 0, 4),
            (equal, 0, 2, newgen),
            (load_word, 0, 0, _PROCESS_NAME),
            (equal, 0, 1, ours),
            (give, 0, 0, 0),
            (give, 0, 0, 0xFFFF),
        )
    )


def _drain(events: sockets.Socket) -> None:
    while True:
        try:
            events.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # some are lost: something has changed
                raise
