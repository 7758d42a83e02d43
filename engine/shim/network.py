"""Owns a container's part in its networks: held ports, its interfaces, and what goes with them at its end.

The messages are the bundle's; refuses to compose any. The container's namespace is entered for the time that
its side takes, by the process that supervises it (which is single-threaded).
"""

from __future__ import annotations

import os

from engine.shim import linux, netlink_send, wire
from engine.shim.firewall import Firewall
from engine.shim.ports import Ports
from engine.shim.refusal import Refusal

TYPE_CHECKING = False  # importing typing would cost every container half a megabyte
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.shim.loop import Loop
    from engine.shim.resolver import Resolver

_NOTHING: dict = {}  # type: ignore[type-arg]
_UNNAMED = {"networks": (), "servers": (), "qualified": False, "rewrite": ()}


class Network:
    """The networks of one container, or of a build step; ``wanted`` is the bundle's ``network`` or None."""

    def __init__(self, wanted: dict | None) -> None:  # type: ignore[type-arg]
        self._wanted = wanted or _NOTHING
        self._ports = Ports(self._wanted.get("ports", []))
        self._firewall = Firewall(self._wanted.get("firewall"))
        self._up = False
        self._loop: Loop | None = None
        self._resolver: Resolver | None = None

    def hold(self) -> None:
        """Take the published ports; Refusal if one is taken."""
        self._ports.hold()

    def forget(self) -> None:
        """In a child that is not to have the ports: nothing could be opened under its own limit."""
        self._ports.forget()

    def connect(self, pid: int) -> None:
        """Join the namespace of the process ``pid`` to its networks, both sides; Refusal says what failed."""
        self._up = True
        _send("connecting the container", pid, self._wanted, self._name)
        _checked(self._firewall.ensure)

    def change(self, pid: int, request: dict) -> None:  # type: ignore[type-arg]
        """Join and leave networks by the items of ``request``; a Refusal leaves all as it was.

        Between two runs there is no namespace: then only the ports are taken and given back.
        """
        before: dict = self._wanted  # type: ignore[type-arg]
        self._wanted = request["network"]
        try:
            self._ports.change(self._wanted["ports"], lambda: self._rewire(pid, request))
        except BaseException:
            self._wanted = before
            if self._resolver is not None:
                self._follow()
            raise
        if self._up:
            self._ports.redirect()

    def _rewire(self, pid: int, request: dict) -> None:  # type: ignore[type-arg]
        """Its interfaces, the rules of its bridges, its names; those that it leaves go last."""
        if self._up:
            _change(pid, request, self._follow)
        try:  # last: a bridge is left by its last container once that is not plugged in any more
            _checked(lambda: self._firewall.change(self._wanted.get("firewall"), up=self._up))
        except Refusal:
            if self._up:
                _undo(pid, request)
            raise

    def attend(self, loop: Loop) -> None:
        """On ``loop``: relay what its rules leave to it, keep these, answer what it asks for names."""
        self._loop = loop
        self._ports.attend(loop)
        self._firewall.attend(loop)
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

    def _name(self) -> None:
        """Give the container in wire.NETNS_FD its name server, and its names to others; raises OSError."""
        names = self._wanted.get("names")
        if names:
            from engine.shim.resolver import Resolver  # what few containers need, the others pay nothing for

            self._resolver = Resolver(names, wire.NETNS_FD, within)
            self._resolver.names.publish()
            if self._loop is not None:
                self._resolver.attend(self._loop)

    def _follow(self) -> None:
        """Its networks are others: so are its names; raises OSError."""
        if self._resolver is None:
            self._name()
        else:  # on the default bridge, which has no names, it goes on asking the host's servers
            asked = "host" if self._wanted.get("endpoints") else "nowhere"
            self._resolver.change(self._wanted.get("names") or {**_UNNAMED, "forward": asked})

    def release(self, *, keep_ports: bool = False) -> None:
        """Undo ``connect``; ports are given back too, unless another run of the container follows."""
        if self._resolver is not None:
            self._resolver.close()
            self._resolver = None
        self._firewall.rest()
        if self._up:
            netlink_send.send_all(self._wanted.get("teardown", []))
            self._ports.redirect()  # before its address is another one's
            self._up = False
        if not keep_ports:
            self._ports.close()

    def leave(self) -> None:
        """After ``release``, when nobody waits any more: the rules of a bridge go with its last container."""
        self._firewall.leave()


def _checked(call: Callable[[], None]) -> None:
    try:
        call()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refusal(
            wire.failure("NetworkFailure", operation="setting up nftables", reason=reason)
        ) from error


def _send(stage: str, pid: int, items: dict, then: Callable[[], object] = bool) -> None:  # type: ignore[type-arg]
    """Send ``host`` of ``items``, then ``container`` in the namespace of ``pid``; ``then`` has it too."""
    netns = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(netns, wire.NETNS_FD, inheritable=False)
    os.close(netns)
    try:
        netlink_send.send(items.get("host", []))
        within(wire.NETNS_FD, lambda: netlink_send.send(items.get("container", [])))
        then()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refusal(wire.failure("NetworkFailure", operation=stage, reason=reason)) from error
    finally:
        reserve()


def reserve() -> None:
    """Keep the descriptor that messages name from all others: published ports and clients may be many."""
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(null, wire.NETNS_FD, inheritable=False)
    os.close(null)


def _change(pid: int, request: dict, then: Callable[[], object]) -> None:  # type: ignore[type-arg]
    try:
        _send("changing the container's networks", pid, request, then)
    except Refusal:
        _undo(pid, request)
        raise
    netlink_send.send_all(request["after"])


def _undo(pid: int, request: dict) -> None:  # type: ignore[type-arg]
    netlink_send.send_all(request["undo"])
    netns = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        within(netns, lambda: netlink_send.send_all(request["undo_container"]))
    finally:
        os.close(netns)


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
