"""Owns the name server inside a container: at 127.0.0.11, by datagram and stream, on its supervisor's loop.

What the container's networks know is answered here, everything else is asked of other servers
(``engine.shim.forwarding``). Never waits: every client has a bound. Refuses to hold names itself
(``engine.shim.names``). Imported only for a container that has names to ask for.
"""

from __future__ import annotations

import binascii
import os
import struct

from engine.shim import dns, netlink_send, sockets
from engine.shim.forwarding import MOST_SERVERS, Forwarder, Servers
from engine.shim.loop import IN, OUT
from engine.shim.names import Names

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.shim.loop import Loop, Timer

_ADDRESS, _PORT = "127.0.0.11", 53
_SECONDS_TO_LIVE = 5
"""Docker says 600: a client that keeps answers would then call a container that moved at its old address."""
_AT_ONCE = 64
"""Datagrams that are taken in one turn of the loop."""
_LONGEST_QUESTION = 4096
_CONNECTIONS = 100
_IDLE_SECONDS = 10.0
_REST_SECONDS = 1.0
_ADDRESSES = {
    dns.A: lambda address: ":" not in address,
    dns.AAAA: lambda address: ":" in address,
    dns.ANY: lambda _address: True,
}
"""Which addresses are asked for; of any other kind there are no records."""


class Resolver:
    """One container's, in the namespace ``netns``; ``wanted`` is the bundle's ``network.names``.

    ``within`` is that of ``engine.shim.network``.
    """

    def __init__(
        self,
        wanted: dict,  # type: ignore[type-arg]  # JSON
        netns: int,
        within: Callable[[int, Callable[[], object]], None],
    ) -> None:
        self.names = Names(wanted)
        self._wanted = wanted
        self._netns = os.dup(netns)
        self._within = within
        self._host_servers = Servers()
        self._datagrams: sockets.Socket | None = None
        self._listener: sockets.Socket | None = None
        self._loop: Loop | None = None
        self._forwarder: Forwarder | None = None
        self._turn = int.from_bytes(os.urandom(2), "big")
        self._connections: list[_Connection] = []
        try:
            within(self._netns, self._open)
        except BaseException:
            self.close()
            raise

    def attend(self, loop: Loop) -> None:
        """Answer from now on, what was asked before too."""
        if self._loop is not None or self._datagrams is None or self._listener is None:
            return
        self._loop = loop
        self._forwarder = Forwarder(loop, self._servers, self._from_where)
        loop.watch(self._datagrams.fileno(), IN, self._on_datagrams)
        loop.watch(self._listener.fileno(), IN, self._on_connection)

    def change(self, wanted: dict) -> None:  # type: ignore[type-arg]
        """Other names, networks and servers from now on; raises OSError if they could not be published."""
        self._wanted = wanted
        self.names.change(wanted)

    def close(self) -> None:
        """Answer no more, and be found no more; the namespace is let go."""
        self.names.withdraw()
        if self._forwarder is not None:
            self._forwarder.close()
        for connection in tuple(self._connections):
            connection.close()
        for opened in (self._datagrams, self._listener):
            if opened is not None:
                if self._loop is not None:
                    self._loop.forget(opened.fileno())
                opened.close()
        self._datagrams = self._listener = self._loop = self._forwarder = None
        if self._netns >= 0:
            os.close(self._netns)
            self._netns = -1

    # -- its sockets -----------------------------------------------------------------------------------
    def _open(self) -> None:
        """In the container's namespace: on ports that nobody else wants, or, without nftables, on 53."""
        self._listen(0, 0)
        ports = {
            "udp": self._datagrams.getsockname()[1],  # type: ignore[union-attr]
            "tcp": self._listener.getsockname()[1],  # type: ignore[union-attr]
        }
        try:
            netlink_send.send([_patched(item, ports) for item in self._wanted["rewrite"]])
        except OSError:
            self._listen(_PORT, _PORT)

    def _listen(self, datagram_port: int, stream_port: int) -> None:
        for opened in (self._datagrams, self._listener):
            if opened is not None:
                opened.close()
        flags = sockets.SOCK_NONBLOCK | sockets.SOCK_CLOEXEC
        self._datagrams = sockets.Socket(sockets.AF_INET, sockets.SOCK_DGRAM | flags)
        self._datagrams.bind((_ADDRESS, datagram_port))
        self._listener = sockets.Socket(sockets.AF_INET, sockets.SOCK_STREAM | flags)
        self._listener.bind((_ADDRESS, stream_port))
        self._listener.listen(_CONNECTIONS)

    def _on_datagrams(self, _events: int) -> None:
        for _ in range(_AT_ONCE):
            if self._datagrams is None:
                return
            try:
                packet, client = self._datagrams.recvfrom(_LONGEST_QUESTION)
            except OSError:
                return
            self.handle(packet, lambda answer, client=client: self._send(answer, client), stream=False)  # type: ignore[misc]

    def _send(self, answer: bytes, client: object) -> None:
        if self._datagrams is not None:
            try:
                self._datagrams.sendto(answer, client)  # type: ignore[call-overload]
            except OSError:
                pass  # it has gone, or reads too slowly: it asks again

    def _on_connection(self, _events: int) -> None:
        try:
            accepted, _ = self._listener.accept()  # type: ignore[union-attr]
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # no descriptor is left: not asked about again at once
            self._rest()
            return
        if len(self._connections) >= _CONNECTIONS:
            accepted.close()
            return
        accepted.setblocking(False)
        self._connections.append(_Connection(self, self._loop, accepted))  # type: ignore[arg-type]

    def _rest(self) -> None:
        if self._loop is not None and self._listener is not None:
            self._loop.forget(self._listener.fileno())
            self._loop.after(_REST_SECONDS, self._go_on)

    def _go_on(self) -> None:
        if self._loop is not None and self._listener is not None:
            self._loop.watch(self._listener.fileno(), IN, self._on_connection)

    def gone(self, connection: _Connection) -> None:
        """A connection has been closed."""
        self._connections.remove(connection)

    # -- questions -------------------------------------------------------------------------------------
    def handle(self, packet: bytes, reply: Callable[[bytes], None], *, stream: bool) -> bool:
        """Answer the question in ``packet``, now or later, by ``reply``; False if it is to have no answer."""
        try:
            return self._handle(packet, reply, stream=stream)
        except Exception:
            return False  # whatever is asked, it must not take the container with it

    def _handle(self, packet: bytes, reply: Callable[[bytes], None], *, stream: bool) -> bool:
        question = dns.read_question(packet)
        if question is None:
            return False
        if question.rcode:
            reply(dns.answer(question, question.rcode, [], stream=stream))
            return True
        records = self._known(question)
        if records is not None:
            reply(dns.answer(question, dns.NOERROR, records, stream=stream))
        elif self._wanted["forward"] == "nowhere" or self._forwarder is None:
            reply(dns.answer(question, dns.SERVFAIL, [], stream=stream))
        elif self._wanted["qualified"] and "." not in question.name and question.kind in (dns.A, dns.AAAA):
            reply(dns.answer(question, dns.NOERROR, [], stream=stream))
        else:
            self._forwarder.ask(question, packet, reply, stream=stream)
        return True

    def _known(self, question: dns.Question) -> list[bytes] | None:
        """The records that the container's networks have, maybe none of this kind; None: others are asked."""
        if question.klass != dns.IN or not question.name:
            return None
        if question.kind == dns.PTR:
            address = dns.reversed_address(question.name)
            name = self.names.name_at(address) if address else ""
            if name:
                try:
                    return [dns.pointer_record(name, _SECONDS_TO_LIVE)]
                except ValueError:
                    return []
        addresses = self.names.addresses(question.name, _ADDRESSES.get(question.kind, _none))
        if addresses is None:
            return None
        self._turn += 1
        first = self._turn % len(addresses) if addresses else 0
        turned = (*addresses[first:], *addresses[:first])
        return [dns.address_record(address, _SECONDS_TO_LIVE) for address in turned]

    def _servers(self) -> tuple[str, ...]:
        named = tuple(server for server in self._wanted["servers"] if server != _ADDRESS)
        return named[:MOST_SERVERS] or self._host_servers.now()

    def _from_where(self, call: Callable[[], None]) -> None:
        if self._wanted["forward"] == "container":
            self._within(self._netns, call)
        else:
            call()


class _Connection:
    """A client by stream: one question after the other, each answered before the next is looked at."""

    __slots__ = ("_busy", "_got", "_loop", "_out", "_resolver", "_sock", "_timer")

    def __init__(self, resolver: Resolver, loop: Loop, sock: sockets.Socket) -> None:
        self._resolver, self._loop, self._sock = resolver, loop, sock
        self._got, self._out = bytearray(), bytearray()
        self._busy = False
        self._timer: Timer | None = None
        self._wait(IN)

    def close(self) -> None:
        """End it; an answer that comes later is dropped."""
        if self._sock.fileno() >= 0:
            self._loop.cancel(self._timer)
            self._loop.forget(self._sock.fileno())
            self._sock.close()
            self._resolver.gone(self)

    def _wait(self, events: int) -> None:
        self._loop.cancel(self._timer)
        self._timer = self._loop.after(_IDLE_SECONDS, self.close)
        self._loop.watch(self._sock.fileno(), events, self._ready)

    def _ready(self, _events: int) -> None:
        try:
            if self._out:
                self._flush()
            elif self._busy:  # only its end is told while it waits for an answer
                self.close()
                return
            else:
                content = self._sock.recv(_LONGEST_QUESTION)
                if not content:
                    self.close()
                    return
                self._got += content
            self._go_on()
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def _go_on(self) -> None:
        """Answer what is there, until an answer has to be waited for; raises OSError."""
        while not self._busy and not self._out:
            size = int.from_bytes(self._got[:2], "big")
            if len(self._got) < 2 or len(self._got) < 2 + size:
                self._wait(IN)
                return
            packet = bytes(self._got[2 : 2 + size])
            del self._got[: 2 + size]
            self._busy = True
            if not self._resolver.handle(packet, self._reply, stream=True):
                self.close()
                return
            self._flush()
        self._wait(OUT if self._out else 0)

    def _reply(self, answer: bytes) -> None:
        if self._sock.fileno() < 0:
            return
        self._busy = False
        self._out += len(answer).to_bytes(2, "big") + answer
        self._loop.watch(self._sock.fileno(), OUT, self._ready)

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: self._sock.send(self._out, sockets.MSG_NOSIGNAL)]
        except BlockingIOError:
            pass  # the rest when there is room


def _none(_address: str) -> bool:
    return False


def _patched(item: dict, ports: dict[str, int]) -> dict:  # type: ignore[type-arg]  # JSON
    """The item with the real ports in it."""
    message = bytearray(binascii.a2b_base64(item["message"]))
    for offset, protocol in item["ports"]:
        struct.pack_into(">H", message, offset, ports[protocol])
    return {**item, "message": binascii.b2a_base64(message).decode("ascii")}
