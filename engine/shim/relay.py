"""Owns carrying what the network's rules do not take of published ports, in a fork of the supervisor.

Connections with half-close, and datagrams with a flow for each client; bounded buffers, and a reader that is
slow slows its writer. One that is beyond the bound waits in the backlog. It ends when there has been nothing
to carry for a while, and dies with its supervisor. Refuses what comes to a loopback address from elsewhere,
and what comes from networks that lead nowhere (``engine.shim.arrivals``).
"""

from __future__ import annotations

import errno
import os
import resource
import select
import struct
from time import monotonic

from engine.shim import arrivals, linux, signals, sockets

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Listener = tuple[int, str, str, int]
"""A bound descriptor, its protocol, and the container's address and port."""

IDLE = 30.0
"""Seconds without anything to carry, after which it ends."""
_FLOW_IDLE = 90.0
"""Seconds that a client's datagrams are remembered for the answers: docker-proxy's."""
_MOST_FLOWS = 1024
_RESERVE = 64
"""Descriptors that are left for everything else."""
_MOST_STREAMS = 4096
"""Of one container, whatever its supervisor may open."""
_REST = 1.0
"""Seconds until connections are taken again after the host had no room for one."""
_CHUNK = 65536
_TURNS = 16
"""So much is carried for one before the others get their turn."""
_SWEEP = 5.0
_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_IP_PKTINFO, _IPV6_RECVPKTINFO, _IPV6_PKTINFO = 8, 49, 50
_V4_INFO, _V6_INFO = struct.Struct("=i4s4s"), struct.Struct("=16si")
_TCP_NODELAY = 1
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_LINK_LOCAL = b"\xfe\x80"


def main(supervisor: int, listeners: list[Listener]) -> None:
    """Relay in this fork of the process ``supervisor`` until there is nothing to relay; does not return."""
    linux.prctl(linux.PR_SET_PDEATHSIG, signals.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(0)
    linux.set_process_name("tuidock-relay")
    signals.signal(signals.SIGTERM, signals.SIG_DFL)
    signals.signal(signals.SIGHUP, signals.SIG_IGN)
    keep = sorted((2, *(descriptor for descriptor, *_ in listeners), 1 << 20))
    for place, number in enumerate(keep[1:]):
        os.closerange(keep[place] + 1, number)
    Relay(listeners).run()
    os._exit(0)


class Relay:
    """All that is carried for one container."""

    def __init__(self, listeners: list[Listener], idle: float = IDLE) -> None:
        self._idle = idle
        self._epoll = select.epoll()
        self._masks: dict[int, int] = {}
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._doors = [_Door(self, entry) for entry in listeners if entry[1] != "udp"]
        self._wells = [_Well(self, entry) for entry in listeners if entry[1] == "udp"]
        free = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _RESERVE - len(listeners)
        self.most_flows = min(_MOST_FLOWS, max(free // 4, 1)) if self._wells else 0
        self.most_streams = min(_MOST_STREAMS, max((free - self.most_flows) // 2, 1))
        self._streams = 0
        self._rested = 0.0
        self._open = False
        self.flows: dict[object, _Flow] = {}
        """Least lately used first."""

    def run(self) -> None:
        """Until nothing has been carried for a while; the listeners are closed then."""
        self._admit()
        busy = swept = monotonic()
        while True:
            happened = self._epoll.poll(min(_SWEEP, self._idle, _REST if self._rested else _SWEEP))
            for descriptor, events in happened:
                handler = self._handlers.get(descriptor)
                if handler is not None:  # one before it may have closed it
                    handler(events)
            now = monotonic()
            if self._rested and now >= self._rested:
                self._rested = 0.0
                self._admit()
            if now - swept >= _SWEEP:
                swept = now
                self._sweep(now)
            if happened or self._streams or self.flows:
                busy = now
            elif now - busy >= self._idle:
                break
        for sock in (*(door.sock for door in self._doors), *(well.sock for well in self._wells)):
            self.close(sock)
        self._epoll.close()

    def watch(self, descriptor: int, mask: int, handler: Callable[[int], None]) -> None:
        """Call ``handler`` on the events of ``mask``; with none not even on hang-ups, which would not end."""
        known = self._masks.get(descriptor, 0)
        if mask == known:
            return
        if not known:
            self._epoll.register(descriptor, mask)
        elif mask:
            self._epoll.modify(descriptor, mask)
        else:
            self._epoll.unregister(descriptor)
        self._masks[descriptor], self._handlers[descriptor] = mask, handler

    def close(self, sock: sockets.Socket) -> None:
        """Close ``sock``, watched or not."""
        descriptor = sock.fileno()
        self.watch(descriptor, 0, _ignore)
        self._masks.pop(descriptor, None)
        self._handlers.pop(descriptor, None)
        sock.close()

    def count(self, change: int) -> None:
        """So many more streams are carried."""
        self._streams += change
        self._admit()

    def rest(self) -> None:
        """Take no connections for a while."""
        self._rested = monotonic() + _REST
        self._admit()

    def _admit(self) -> None:
        """Take connections while there is room for one more; the others wait in the backlog."""
        wanted = self._streams < self.most_streams and not self._rested
        if wanted != self._open:
            self._open = wanted
            for door in self._doors:
                self.watch(door.sock.fileno(), _IN if wanted else 0, door.on_arrival)

    def _sweep(self, now: float) -> None:
        for flow in list(self.flows.values()):
            if now - flow.used >= _FLOW_IDLE:
                flow.close()


class _Door:
    """A listening socket, and where it leads."""

    def __init__(self, relay: Relay, entry: Listener) -> None:
        descriptor, self.protocol, self._address, self._port = entry
        self.sock = sockets.Socket(fileno=descriptor)
        self.sock.setblocking(False)
        self._relay = relay

    def on_arrival(self, _events: int) -> None:
        try:
            client, peer = self.sock.accept()
        except OSError as error:
            if error.errno in _NO_ROOM:  # it stays in the backlog, and would be told of again at once
                self._relay.rest()
            return
        if _is_foreign(client.getsockname()[0], peer[0]) or arrivals.is_shut_off(
            arrivals.interface_of(client)
        ):
            client.close()
            return
        client.setblocking(False)
        family = sockets.AF_INET6 if ":" in self._address else sockets.AF_INET
        try:
            server = sockets.Socket(family, self.sock.type | sockets.SOCK_NONBLOCK, self.sock.proto)
            _tune(client, self.protocol)
            _tune(server, self.protocol)
            code = server.connect_ex((self._address, self._port))
        except OSError:
            client.close()
            return
        if code not in {0, errno.EINPROGRESS}:
            client.close()
            server.close()
            return
        _Stream(self._relay, client, server)


class _Stream:
    """A client's connection and the one to the container."""

    def __init__(self, relay: Relay, client: sockets.Socket, server: sockets.Socket) -> None:
        self._relay = relay
        self._ways = (_Way(client, server), _Way(server, client))
        relay.count(+1)
        relay.watch(server.fileno(), _OUT, self._on_connected)

    def _on_connected(self, _events: int) -> None:
        server = self._ways[1].source
        if server.getsockopt(sockets.SOL_SOCKET, sockets.SO_ERROR):
            self._close()  # refused in there: the client sees an end
            return
        self._relay.watch(server.fileno(), 0, _ignore)  # what comes after has another handler
        self._carry(0)

    def _carry(self, _events: int) -> None:
        try:
            for way in self._ways:
                way.carry()
        except OSError:
            self._close()
            return
        one, other = self._ways
        if one.over and other.over:
            self._close()
            return
        for way, back in ((one, other), (other, one)):
            mask = (_IN if way.reads else 0) | (_OUT if back.pending else 0)
            self._relay.watch(way.source.fileno(), mask, self._carry)

    def _close(self) -> None:
        for way in self._ways:
            self._relay.close(way.source)
        self._relay.count(-1)


class _Way:
    """One direction of a stream: at most one chunk waits for who is to get it."""

    __slots__ = ("_ended", "_sink", "over", "pending", "source")

    def __init__(self, source: sockets.Socket, sink: sockets.Socket) -> None:
        self.source = source
        self._sink = sink
        self.pending: memoryview | None = None
        self._ended = False
        self.over = False

    @property
    def reads(self) -> bool:
        """Whether what comes next can be taken."""
        return not self._ended and not self.pending

    def carry(self) -> None:
        """As much as goes without waiting, up to a turn; raises OSError when either side is broken."""
        try:
            for _ in range(_TURNS):
                if self.pending:
                    self._send(self.pending)
                if not self.reads:
                    break
                content = self.source.recv(_CHUNK)
                if not content:
                    self._ended = True
                    break
                self._send(memoryview(content))
        except BlockingIOError:
            pass
        if self._ended and not self.pending and not self.over:
            self.over = True
            try:
                self._sink.shutdown(sockets.SHUT_WR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:
                    raise

    def _send(self, content: memoryview) -> None:
        self.pending = content
        sent = self._sink.send(content, sockets.MSG_NOSIGNAL)
        self.pending = content[sent:] if sent < len(content) else None


class _Well:
    """A bound socket for datagrams; each of its clients has a flow."""

    def __init__(self, relay: Relay, entry: Listener) -> None:
        descriptor, _, address, port = entry
        self.target = (address, port)
        self.sock = sockets.Socket(fileno=descriptor)
        self.sock.setblocking(False)
        self.relay = relay
        if self.sock.family == sockets.AF_INET6:
            self.sock.setsockopt(sockets.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        else:
            self.sock.setsockopt(sockets.IPPROTO_IP, _IP_PKTINFO, 1)
        relay.watch(descriptor, _IN, self._on_arrival)

    def _on_arrival(self, _events: int) -> None:
        for _ in range(_TURNS):
            try:
                content, notes, _, client = self.sock.recvmsg(_CHUNK, 64)
            except OSError:
                return
            here, index, note = _reply_from(notes)
            known = (self.sock.fileno(), client, here) in self.relay.flows
            if known or not (_is_foreign(here, client[0]) or arrivals.is_shut_off(index)):
                self._send(client, here, note, content)

    def _send(self, client: Any, here: str, note: Any, content: bytes) -> None:
        flows = self.relay.flows
        key = (self.sock.fileno(), client, here)
        flow = flows.pop(key, None)
        try:
            if flow is None:
                while len(flows) >= self.relay.most_flows:
                    next(iter(flows.values())).close()
                flow = _Flow(self, key, note)
            flows[key] = flow
            flow.send(content)
        except OSError:
            if flow is not None:
                flow.close()


class _Flow:
    """One client's datagrams, and the container's answers to them, from the address that they came to."""

    def __init__(self, well: _Well, key: Any, note: Any) -> None:
        self._well, self._key, self._note = well, key, note
        self.used = monotonic()
        family = sockets.AF_INET6 if ":" in well.target[0] else sockets.AF_INET
        self._sock = sockets.Socket(family, sockets.SOCK_DGRAM | sockets.SOCK_NONBLOCK)
        try:
            self._sock.connect(well.target)
        except OSError:
            self._sock.close()
            raise
        well.relay.watch(self._sock.fileno(), _IN, self._on_answer)

    def send(self, content: bytes) -> None:
        """To the container; raises OSError if nobody is there. What does not fit is lost."""
        self.used = monotonic()
        try:
            self._sock.send(content)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Forget the client."""
        self._well.relay.flows.pop(self._key, None)
        self._well.relay.close(self._sock)

    def _on_answer(self, _events: int) -> None:
        self.used = monotonic()
        for _ in range(_TURNS):
            try:
                content = self._sock.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                self.close()  # nobody listens there
                return
            try:
                self._well.sock.sendmsg([content], self._note, 0, self._key[1])
            except OSError:
                pass  # lost, as in any network


def _reply_from(notes: list[tuple[int, int, bytes]]) -> tuple[str, int, list[tuple[int, int, bytes]]]:
    """Where a datagram came to (address, interface), and the note by which it is answered from there."""
    for level, kind, data in notes:
        if (level, kind) == (sockets.IPPROTO_IP, _IP_PKTINFO):
            index, _, address = _V4_INFO.unpack(data[: _V4_INFO.size])
            note = _V4_INFO.pack(0, address, bytes(4))
            return sockets.inet_ntop(sockets.AF_INET, address), index, [(level, kind, note)]
        if (level, kind) == (sockets.IPPROTO_IPV6, _IPV6_PKTINFO):
            address, index = _V6_INFO.unpack(data[: _V6_INFO.size])
            note = _V6_INFO.pack(address, index if address.startswith(_LINK_LOCAL) else 0)
            return sockets.inet_ntop(sockets.AF_INET6, address), index, [(level, kind, note)]
    return "", 0, []


def _is_foreign(here: str, peer: str) -> bool:
    """Whether ``peer`` has been let in to the loopback address ``here`` by a host's route_localnet."""
    return (here.startswith("127.") and not peer.startswith("127.")) or (here == "::1" and peer != "::1")


def _tune(sock: sockets.Socket, protocol: str) -> None:
    if protocol == "tcp":
        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)
        sock.setsockopt(sockets.IPPROTO_TCP, _TCP_NODELAY, 1)


def _ignore(_events: int) -> None:
    return
