"""Owns asking other name servers on a client's behalf; refuses to answer anything itself but a failure.

Each question goes out by a socket of its own, connected: the kernel chooses a random source port and takes
answers of that server alone; the id is random too, and the question must come back (RFC 5452). A server that
is silent, unreachable or fails is followed by the next, while a late answer of the one before still counts.
Nothing here waits.
"""

from __future__ import annotations

import errno
import os

from engine.shim import dns, sockets
from engine.shim.loop import IN, OUT

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.shim.loop import Loop, Timer

RESOLV_CONF = "/etc/resolv.conf"
_PORT = 53
_PUBLIC = ("8.8.8.8", "8.8.4.4")
"""As Docker: where a host names no server."""
MOST_SERVERS = 3
"""MAXNS of resolv.conf(5)."""
_TRIES = 3
_SECONDS = 1.5
"""For each try: all of them end before a resolver that waits five seconds gives up."""
_AT_ONCE = 256
_FAILED = (dns.SERVFAIL, dns.REFUSED, dns.NOTIMP, dns.FORMERR)


class Servers:
    """The servers of the host's resolv.conf, read again when that has changed."""

    def __init__(self, path: str = RESOLV_CONF) -> None:
        self._path = path
        self._read_of: tuple[int, int, int] | None = None
        self._servers: tuple[str, ...] = _PUBLIC

    def now(self) -> tuple[str, ...]:
        """The servers as they are now, in their order."""
        try:
            status = os.stat(self._path)
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._read_of:
                with open(self._path, "rb") as file:
                    text = file.read(1 << 16).decode("ascii", "replace")
                self._servers, self._read_of = _named_in(text) or _PUBLIC, seen
        except OSError:
            pass  # in the moment between two versions of it: those of before
        return self._servers


class Forwarder:
    """Questions on their way; ``within`` runs a call in the namespace that the servers are asked from."""

    def __init__(
        self, loop: Loop, servers: Callable[[], tuple[str, ...]], within: Callable[[Callable[[], None]], None]
    ) -> None:
        self.loop = loop
        self.within = within
        self._servers = servers
        self._live: set[_Asking] = set()

    def ask(
        self, question: dns.Question, packet: bytes, reply: Callable[[bytes], None], *, stream: bool
    ) -> None:
        """Ask for what ``packet`` asks; ``reply`` is called once, maybe at once, with the answer."""
        if len(self._live) >= _AT_ONCE:
            reply(dns.answer(question, dns.SERVFAIL, [], stream=stream))
            return
        asking = (_AskingStream if stream else _AskingDatagram)(self, question, packet, reply)
        self._live.add(asking)
        asking.begin(self._servers())

    def done(self, asking: _Asking) -> None:
        """It has its answer."""
        self._live.discard(asking)

    def close(self) -> None:
        """Forget all that are on their way: their clients are gone."""
        for asking in tuple(self._live):
            asking.close()
        self._live.clear()


class _Asking:
    """One question, and the sockets by which it was asked so far."""

    __slots__ = ("forwarder", "last", "packet", "question", "reply", "sent", "servers", "timer")
    kind = sockets.SOCK_DGRAM
    stream = False

    def __init__(
        self, forwarder: Forwarder, question: dns.Question, packet: bytes, reply: Callable[[bytes], None]
    ) -> None:
        self.forwarder, self.question, self.packet, self.reply = forwarder, question, packet, reply
        self.sent: dict[int, tuple[sockets.Socket, int]] = {}
        self.servers: list[str] = []
        self.last = b""
        self.timer: Timer | None = None

    def begin(self, servers: tuple[str, ...]) -> None:
        """Ask the first server; each has a turn, and while turns are left, another."""
        self.servers = [servers[turn % len(servers)] for turn in range(max(_TRIES, len(servers)))]
        self.next()

    def next(self) -> None:
        """Ask the next server; without one that is the end."""
        self.forwarder.loop.cancel(self.timer)
        self.timer = None
        while self.servers:
            try:
                self._ask(self.servers.pop(0))
            except OSError:
                continue  # no route, no such interface: the next
            self.timer = self.forwarder.loop.after(_SECONDS, self.next)
            return
        self.finish(self.last or dns.answer(self.question, dns.SERVFAIL, [], stream=self.stream))

    def finish(self, answer: bytes) -> None:
        """The client gets ``answer``, under its own id."""
        self.close()
        self.forwarder.done(self)
        self.reply(dns.with_id(answer, self.question.id))

    def close(self) -> None:
        """Wait for nothing any more."""
        self.forwarder.loop.cancel(self.timer)
        self.timer = None
        for opened, _ in tuple(self.sent.values()):
            self.drop(opened)

    def drop(self, opened: sockets.Socket) -> None:
        """Wait no longer for what comes by ``opened``."""
        del self.sent[opened.fileno()]
        self.forwarder.loop.forget(opened.fileno())
        opened.close()

    def take(self, opened: sockets.Socket, answer: bytes) -> None:
        """An answer that came by ``opened``, if it is one: a failure is followed by the next server."""
        fd = opened.fileno()
        if not dns.answers_to(answer, self.sent[fd][1], self.question):
            return
        if dns.rcode_of(answer) in _FAILED:
            self.last = answer
            self.fail(opened)
        else:
            self.finish(answer)

    def fail(self, opened: sockets.Socket) -> None:
        """Nothing (more) comes by ``opened``: if that is the server's that is waited for, go on."""
        newest = opened.fileno() == next(reversed(self.sent))
        self.drop(opened)
        if newest:
            self.next()

    def _ask(self, server: str) -> None:
        made: list[sockets.Socket] = []
        self.forwarder.within(lambda: made.append(_connected(server, self.kind)))
        opened = made[0]
        number = int.from_bytes(os.urandom(2), "big")
        self.sent[opened.fileno()] = (opened, number)
        try:
            self.send(opened, dns.with_id(self.packet, number))
        except OSError:
            self.drop(opened)
            raise

    def send(self, opened: sockets.Socket, packet: bytes) -> None:
        """Send ``packet``, and watch for the answer."""
        raise NotImplementedError


class _AskingDatagram(_Asking):
    __slots__ = ()

    def send(self, opened: sockets.Socket, packet: bytes) -> None:
        opened.send(packet)
        self.forwarder.loop.watch(opened.fileno(), IN, lambda _: self._receive(opened))

    def _receive(self, opened: sockets.Socket) -> None:
        try:
            answer = opened.recv(dns.LONGEST)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there
            self.fail(opened)
            return
        self.take(opened, answer)

    def finish(self, answer: bytes) -> None:
        limit = self.question.size if self.question.edns else 512
        super().finish(answer if len(answer) <= limit else dns.truncated(answer, self.question))


class _AskingStream(_Asking):
    """Two bytes of length before each message (RFC 1035, 4.2.2)."""

    __slots__ = ("got", "out")
    kind = sockets.SOCK_STREAM
    stream = True

    def send(self, opened: sockets.Socket, packet: bytes) -> None:
        self.out, self.got = bytearray(len(packet).to_bytes(2, "big") + packet), bytearray()
        self.forwarder.loop.watch(opened.fileno(), OUT, lambda _: self._go_on(opened))

    def _go_on(self, opened: sockets.Socket) -> None:
        try:
            if self.out:
                error = opened.getsockopt(sockets.SOL_SOCKET, sockets.SO_ERROR)
                if error:
                    raise OSError(error, os.strerror(error))
                del self.out[: opened.send(self.out, sockets.MSG_NOSIGNAL)]
                if not self.out:
                    self.forwarder.loop.watch(opened.fileno(), IN, lambda _: self._go_on(opened))
                return
            content = opened.recv(dns.LONGEST)
            if not content:
                raise OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        except BlockingIOError:
            return
        except OSError:
            self.fail(opened)
            return
        self.got += content
        size = int.from_bytes(self.got[:2], "big")
        if len(self.got) >= 2 + size and len(self.got) > 2:
            answer, self.got = bytes(self.got[2 : 2 + size]), self.got[2 + size :]
            self.take(opened, answer)

    def next(self) -> None:
        for opened, _ in tuple(self.sent.values()):  # a stream that is given up is given up
            self.drop(opened)
        super().next()


def _connected(server: str, kind: int) -> sockets.Socket:
    """A socket to ``server`` that waits for nothing, in the namespace of now."""
    host, _, scope = server.partition("%")
    address: tuple[object, ...] = (host, _PORT)
    family = sockets.AF_INET
    if ":" in host:
        family = sockets.AF_INET6
        address = (host, _PORT, 0, sockets.if_nametoindex(scope) if scope else 0)
    opened = sockets.Socket(family, kind | sockets.SOCK_NONBLOCK | sockets.SOCK_CLOEXEC)
    number = opened.connect_ex(address)
    if number not in (0, errno.EINPROGRESS):
        opened.close()
        raise OSError(number, os.strerror(number))
    return opened


def _named_in(text: str) -> tuple[str, ...]:
    """The servers of a resolv.conf, the first three that are addresses."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            family = sockets.AF_INET6 if ":" in words[1] else sockets.AF_INET
            try:
                sockets.inet_pton(family, words[1].partition("%")[0])
            except OSError:
                continue
            found.append(words[1])
    return tuple(found[:MOST_SERVERS])
