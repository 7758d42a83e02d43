"""Owns the published ports of one container on its host: bound while it lives, relayed where need be.

An entry of the bundle's ``network.ports`` is a run of ``count`` ports: ``host_port`` and those after it lead
to ``container_port`` and those after it, at ``address``. One that is bound and not listening only keeps
others away: the network's rules answer for it. One with ``relay`` listens for what the rules do not take
(all of it, without rules), and at the first arrival a fork of the supervisor carries it, see
``engine.shim.relay``. Refuses to carry anything itself.
"""

from __future__ import annotations

import errno
import os
import select
from time import sleep

from engine.shim import signals, sockets, wire
from engine.shim.loop import IN
from engine.shim.refusal import Refusal

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.shim.loop import Loop, Timer

    _Port = tuple[str, int, str]
    """Address, number, protocol."""

_SCTP = 132
_KINDS = {
    "tcp": (sockets.SOCK_STREAM, 0),
    "udp": (sockets.SOCK_DGRAM, 0),
    "sctp": (sockets.SOCK_STREAM, _SCTP),
}
_BACKLOG = 4096
_INSTANT, _TRIES = 0.01, 20
_PAUSE = 1.0
"""Seconds until what failed for want of memory, processes or descriptors is tried again."""


class Ports:
    """Those of one container; ``wanted`` are the bundle's entries."""

    __slots__ = ("_arrivals", "_held", "_loop", "_pidfd", "_relay", "_retry", "_wanted")

    def __init__(self, wanted: list[dict]) -> None:  # type: ignore[type-arg]  # JSON
        self._wanted = wanted
        self._held: dict[_Port, int] = {}
        self._loop: Loop | None = None
        self._arrivals: select.epoll | None = None
        self._relay = 0
        self._pidfd = -1
        self._retry: Timer | None = None

    def hold(self) -> None:
        """Take all of them; Refusal if one is taken."""
        self._held = self._open(self._wanted)

    def forget(self) -> None:
        """Close them; in a child that is not to have them nothing else is touched."""
        for descriptor in self._held.values():
            os.close(descriptor)

    def close(self) -> None:
        """Give them back, and end what relays."""
        self._stop()
        self.forget()
        self._held = {}

    def change(self, wanted: list[dict], apply: Callable[[], object]) -> None:  # type: ignore[type-arg]
        """Take what is new of ``wanted``, ``apply``, give back what is not wanted any more.

        If either fails all is as it was. Connections that are relayed are cut if they lead elsewhere now.
        """
        opened: dict[_Port, int] = {}
        try:
            opened = self._open(wanted)
            apply()
        except BaseException:
            for descriptor in opened.values():
                os.close(descriptor)
            self._refuse_connections()
            raise
        if wanted == self._wanted:
            return
        self._stop()
        self._held.update(opened)
        kept = {port for port, *_ in _each(wanted)}
        for port in [port for port in self._held if port not in kept]:
            os.close(self._held.pop(port))
        self._wanted = wanted
        self._refuse_connections()
        if self._loop is not None:
            self.attend(self._loop)

    def attend(self, loop: Loop) -> None:
        """Relay on ``loop`` what arrives from now on; nothing if that is so already."""
        self._loop = loop
        if self._led():
            loop.after(0, self.redirect)  # not on a start's way: the kernel looks at all flows of the host
        self._await_arrivals()

    def redirect(self) -> None:
        """The rules have changed: datagrams of clients that go on sending follow the new ones."""
        runs = self._led()
        if runs:
            from engine.shim import conntrack

            conntrack.forget(runs)

    def _await_arrivals(self) -> None:
        """Nothing if that is so already; without a free descriptor it is tried again."""
        if self._loop is None or self._arrivals is not None:
            return
        self._loop.cancel(self._retry)
        listeners = self._listeners()
        if not listeners:
            return
        arrivals: select.epoll | None = None
        try:
            arrivals = select.epoll()
            for descriptor, *_ in listeners:
                arrivals.register(descriptor, select.EPOLLIN)
        except OSError:
            if arrivals is not None:
                arrivals.close()
            self._retry = self._loop.after(_PAUSE, self._await_arrivals)
            return
        self._arrivals = arrivals
        self._watch()

    def _led(self) -> list[dict]:  # type: ignore[type-arg]
        """Those of datagrams that rules lead: what is relayed comes to a socket in any case."""
        return [
            entry
            for entry in self._wanted
            if entry["protocol"] == "udp"
            and (":" in (entry.get("host_ip") or "")) == (":" in (entry.get("address") or ""))
        ]

    def _listeners(self) -> list[tuple[int, str, str, int]]:
        return [
            (self._held[port], port[2], entry["address"], entry["container_port"] + offset)
            for port, entry, offset in _each(self._wanted)
            if entry.get("relay") and entry.get("address")
        ]

    def _open(self, wanted: list[dict]) -> dict[_Port, int]:  # type: ignore[type-arg]
        """Those of ``wanted`` that are not held."""
        opened: dict[_Port, int] = {}
        for port, entry, _ in _each(wanted):
            relayed = bool(entry.get("relay"))
            try:
                if port not in self._held:
                    opened[port] = _bind_patiently(*port, listen=relayed).detach()
                elif relayed and port[2] != "udp":
                    with sockets.Socket(fileno=os.dup(self._held[port])) as held:
                        held.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)  # see _bind_stream
                        held.listen(_BACKLOG)
            except OSError as error:
                for descriptor in opened.values():
                    os.close(descriptor)
                raise _refused(error, *port) from error
            if relayed:
                # Now, not at the first arrival: an upgrade may have replaced the file by then.
                import engine.shim.relay  # noqa: F401
        return opened

    def _refuse_connections(self) -> None:
        """Where nothing is relayed (any more): the port stays held, clients are told that nobody answers."""
        for port, entry, _ in _each(self._wanted):
            if port in self._held and not entry.get("relay") and port[2] != "udp":
                with sockets.Socket(fileno=os.dup(self._held[port])) as held:
                    if held.getsockopt(sockets.SOL_SOCKET, sockets.SO_ACCEPTCONN):
                        _listen_no_more(held, port[2])

    # -- the relay: one fork at a time, while there is something to carry ------------------------
    def _watch(self) -> None:
        if self._loop is not None and self._arrivals is not None and not self._relay:
            self._loop.watch(self._arrivals.fileno(), IN, self._on_arrival)

    def _on_arrival(self, _events: int) -> None:
        if self._loop is None or self._arrivals is None:
            return
        self._loop.forget(self._arrivals.fileno())
        supervisor = os.getpid()
        try:
            self._relay = os.fork()
        except OSError:
            self._loop.after(_PAUSE, self._watch)
            return
        if self._relay == 0:
            try:
                from engine.shim import relay

                relay.main(supervisor, self._listeners())
            finally:
                os._exit(1)
        try:
            self._pidfd = os.pidfd_open(self._relay)
        except OSError:  # no descriptor is left: without one it could not be told when it ends
            os.kill(self._relay, signals.SIGKILL)
            os.waitpid(self._relay, 0)
            self._relay = 0
            self._loop.after(_PAUSE, self._watch)
            return
        self._loop.watch(self._pidfd, IN, self._on_end)

    def _on_end(self, _events: int) -> None:
        failed = self._bury() != 0
        if failed and self._loop is not None:
            self._loop.after(_PAUSE, self._watch)
        else:
            self._watch()

    def _stop(self) -> None:
        if self._loop is not None:
            self._loop.cancel(self._retry)
        if self._relay:
            os.kill(self._relay, signals.SIGKILL)  # a child that nobody has waited for is no other process
            self._bury()
        if self._arrivals is not None:
            if self._loop is not None:
                self._loop.forget(self._arrivals.fileno())
            self._arrivals.close()
            self._arrivals = None

    def _bury(self) -> int:
        if self._loop is not None:
            self._loop.forget(self._pidfd)
        os.close(self._pidfd)
        _, status = os.waitpid(self._relay, 0)
        self._relay, self._pidfd = 0, -1
        return status


def _each(wanted: list[dict]) -> Iterator[tuple[_Port, dict, int]]:  # type: ignore[type-arg]
    """Each port, its entry, and its place in the entry's run."""
    for entry in wanted:
        address = entry.get("host_ip") or "0.0.0.0"
        for offset in range(entry.get("count", 1)):
            yield (address, entry["host_port"] + offset, entry["protocol"]), entry, offset


def _bind_patiently(address: str, number: int, protocol: str, *, listen: bool) -> sockets.Socket:
    """An engine that looks whether a port is free has it for an instant: that is waited for."""
    for _ in range(_TRIES):
        try:
            return bind(address, number, protocol, listen=listen)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            sleep(_INSTANT)
    return bind(address, number, protocol, listen=listen)


def bind(address: str, number: int, protocol: str, *, listen: bool = False) -> sockets.Socket:
    """A socket that holds the port ``number`` (0: any free one) of ``address``; raises OSError.

    With ``listen`` it takes connections too. Either way nobody else gets the port, be it by SO_REUSEADDR.
    """
    kind, number_of_protocol = _KINDS[protocol]
    family = sockets.AF_INET6 if ":" in address else sockets.AF_INET
    held = sockets.Socket(family, kind | sockets.SOCK_CLOEXEC | sockets.SOCK_NONBLOCK, number_of_protocol)
    try:
        if family == sockets.AF_INET6:
            held.setsockopt(sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            _bind_stream(held, address, number, listen=listen)
        else:
            held.bind((address, number))
        if listen and protocol != "udp":
            held.listen(_BACKLOG)
        elif not listen and protocol == "udp":
            held.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 0)  # what arrives, nobody reads
    except OSError:
        held.close()
        raise
    return held


def _bind_stream(held: sockets.Socket, address: str, number: int, *, listen: bool) -> None:
    """Connections that are over (TIME-WAIT, of a relay say) keep a port from no successor.

    Sockets that all have SO_REUSEADDR and do not listen may share a port: one that is not to listen is put
    to it for an instant, which the kernel refuses if another one has the port, and loses the option then.
    """
    if not listen:
        try:
            held.bind((address, number))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    held.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
    held.bind((address, number))
    if not listen:
        held.listen(1)
        _listen_no_more(held, "tcp")


def _listen_no_more(held: sockets.Socket, protocol: str) -> None:
    """Give up connections and keep the port: a new bind would leave it to others for an instant."""
    if protocol == "sctp":
        held.listen(0)
    else:
        held.shutdown(sockets.SHUT_RDWR)
    held.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 0)


def _refused(error: OSError, address: str, number: int, protocol: str) -> Refusal:
    taken = error.errno == errno.EADDRINUSE
    reason = "port is already allocated" if taken else (error.strerror or str(error)).lower()
    remedy = f"Choose another host port, or stop what uses {number}/{protocol}." if taken else ""
    where = f"[{address}]:{number}" if ":" in address else f"{address}:{number}"
    return Refusal(
        wire.failure("NetworkFailure", operation=f"Bind for {where} failed", reason=reason, remedy=remedy)
    )
