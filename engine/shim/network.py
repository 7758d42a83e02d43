"""Owns a container's part in its networks: held ports, its interfaces, and what goes with them at its end.

The messages are the bundle's; refuses to compose any. The container's namespace is entered for the time that
its side takes, by the process that supervises it (which is single-threaded).
"""

from __future__ import annotations

import errno
import os

from engine.shim import linux, netlink_send, sockets, wire
from engine.shim.refusal import Refusal

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.shim.loop import Loop
    from engine.shim.resolver import Resolver

_NOTHING: dict = {}  # type: ignore[type-arg]


class Network:
    """The networks of one container, or of a build step; ``wanted`` is the bundle's ``network`` or None."""

    def __init__(self, wanted: dict | None) -> None:  # type: ignore[type-arg]
        self._wanted = wanted or _NOTHING
        self._ports: list[sockets.Socket] = []
        self._up = False
        self._resolver: Resolver | None = None

    def hold(self) -> None:
        """Take the published ports; Refusal if one is taken."""
        for port in self._wanted.get("ports", ()):
            self._ports.append(_bind(port))

    def forget(self) -> None:
        """In a child that is not to have the ports: nothing could be opened under its own limit."""
        for port in self._ports:
            port.close()

    def connect(self, pid: int) -> None:
        """Join the namespace of the process ``pid`` to its networks, both sides; Refusal says what failed."""
        netns = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        os.dup2(netns, wire.NETNS_FD, inheritable=False)
        os.close(netns)
        self._up = True
        try:
            netlink_send.send(self._wanted.get("host", []))
            within(wire.NETNS_FD, lambda: netlink_send.send(self._wanted.get("container", [])))
            self._name(wire.NETNS_FD)
        except OSError as error:
            reason = error.strerror or str(error)
            raise Refusal(
                wire.failure("NetworkFailure", operation="connecting the container", reason=reason)
            ) from error
        finally:
            os.close(wire.NETNS_FD)

    def attend(self, loop: Loop) -> None:
        """Answer what the container asks for names, on ``loop``; nothing if its networks have none."""
        if self._resolver is not None:
            self._resolver.attend(loop)

    def rename(self, name: str) -> None:
        """The others find the container by ``name``, and no more by the name before."""
        names = self._wanted.get("names") or {"networks": ()}
        for network in names["networks"]:
            if network["entry"]:
                network["entry"]["name"] = name
        if self._resolver is not None:
            self._resolver.change(names)

    def publish(self) -> None:
        """Let the others find the container by its names, again if somebody has removed what said so."""
        if self._resolver is not None:
            self._resolver.names.publish()

    def _name(self, netns: int) -> None:
        """Give the container its name server, and its names to the others; raises OSError."""
        names = self._wanted.get("names")
        if names:
            from engine.shim.resolver import Resolver  # what few containers need, the others pay nothing for

            self._resolver = Resolver(names, netns, within)
            self._resolver.names.publish()

    def release(self, *, keep_ports: bool = False) -> None:
        """Undo ``connect``; ports are given back too, unless another run of the container follows."""
        if self._resolver is not None:
            self._resolver.close()
            self._resolver = None
        if self._up:
            netlink_send.send_all(self._wanted.get("teardown", []))
            self._up = False
        if not keep_ports:
            self.forget()
            self._ports = []


def within(netns: int, call: Callable[[], object]) -> None:
    """Do ``call`` in the network namespace that the descriptor ``netns`` is of."""
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        linux.setns(netns, linux.CLONE_NEWNET)
        try:
            call()
        finally:
            linux.setns(own, linux.CLONE_NEWNET)
    finally:
        os.close(own)


def _bind(port: dict) -> sockets.Socket:  # type: ignore[type-arg]
    """Hold a published port: bound, never listening; the network's rules answer for it."""
    address, number, protocol = port.get("host_ip") or "0.0.0.0", port["host_port"], port["protocol"]
    family = sockets.AF_INET6 if ":" in address else sockets.AF_INET
    held = sockets.Socket(family, sockets.SOCK_STREAM if protocol == "tcp" else sockets.SOCK_DGRAM)
    try:
        if family == sockets.AF_INET6:
            held.setsockopt(sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, 1)
        held.bind((address, number))
    except OSError as error:
        held.close()
        taken = error.errno == errno.EADDRINUSE
        reason = "port is already allocated" if taken else (error.strerror or str(error)).lower()
        remedy = f"Choose another host port, or stop what uses {number}/{protocol}." if taken else ""
        operation = f"Bind for {address}:{number} failed"
        raise Refusal(
            wire.failure("NetworkFailure", operation=operation, reason=reason, remedy=remedy)
        ) from error
    return held
