"""Owns the choice and the first check of host ports; refuses to hold any (the supervisor does, bound).

The check is for the message: it says before anything starts that a port is taken and by whom, in Docker's
words. What really keeps two containers apart is that each supervisor binds its ports for as long as it lives;
that two starts at once do not choose one port, for which one of them would fail then, is up to their claims.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
import time
from typing import TYPE_CHECKING

from engine.errors import InvalidInput, NetworkFailure
from engine.records import PortBinding
from engine.shim import ports as held_ports

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.options import PortSpec

    Holder = Callable[[PortBinding], str | None]

ANY, ANY6 = "0.0.0.0", "::"  # noqa: S104 - Docker's default for -p
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
_LAST_PORT = 65535
_TRIES = 256
_SECONDS = 60.0
"""What a start may take from the choice of a port to the supervisor that holds it."""


class PortClaims:
    """The ports that this process has chosen, and no supervisor holds yet.

    A claim is a name among the abstract Unix sockets, which are of the network namespace, as the ports are,
    and go with this value, at the latest with the process.
    """

    def __init__(self) -> None:
        self._claims: dict[tuple[str, int], tuple[int, float]] = {}

    def __del__(self) -> None:
        """Give up all."""
        for claim, _ in self._claims.values():
            os.close(claim)

    def take(self, protocol: str, port: int) -> bool:
        """Whether the port is this process's now, and no other one chooses it."""
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            claim.bind(f"\0tuidock-port/{protocol}/{port}")
        except OSError:
            claim.close()
            return False
        self._claims[protocol, port] = claim.detach(), time.monotonic() + _SECONDS
        return True

    def drop(self, protocol: str, port: int) -> None:
        """Give up the claim."""
        os.close(self._claims.pop((protocol, port))[0])

    def settle(self) -> None:
        """Give up those whose port somebody holds, and those that nobody came to hold."""
        for (protocol, port), (_, due) in list(self._claims.items()):
            if due < time.monotonic() or not _is_free(protocol, port):
                self.drop(protocol, port)


def bind_ports(
    specs: tuple[PortSpec, ...], holder: Holder = lambda _: None, claims: PortClaims | None = None
) -> tuple[PortBinding, ...]:
    """Final bindings: port 0 becomes a free one; NetworkFailure names a taken one and who has it.

    Without an address a port is published on all of IPv4 and, if the host has it, of IPv6: two bindings with
    one number.
    """
    if not specs:
        return ()
    check_ports(specs)
    choice = _Choice(holder, claims or PortClaims())
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))  # one may publish a thousand
        # Kept open until all are chosen, the ones asked for first: no two of one container get the same.
        for position in sorted(range(len(specs)), key=lambda position: _freedom(specs[position])):
            choice.make(position, specs[position])
    finally:
        choice.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    return tuple(binding for position in range(len(specs)) for binding in choice.made[position])


class _Choice:
    """What is chosen so far for one container, and held meanwhile."""

    def __init__(self, holder: Holder, claims: PortClaims) -> None:
        self.made: dict[int, tuple[PortBinding, ...]] = {}
        self._holder = holder
        self._claims = claims
        self._claims.settle()
        self._held: list[socket.socket] = []
        self._everywhere = (ANY, ANY6) if _has_ipv6() else (ANY,)

    def close(self) -> None:
        """Give all back."""
        for opened in self._held:
            opened.close()

    def make(self, position: int, spec: PortSpec) -> None:
        """Choose for ``spec``; NetworkFailure."""
        addresses = (_checked(spec),) if spec.host_ip else self._everywhere
        if not spec.host_port:
            port = self._any(addresses, spec.protocol)
        elif spec.host_port_end > spec.host_port:
            port = self._first(addresses, spec)
        else:
            port = spec.host_port
            self._take(addresses, port, spec.protocol)
        self.made[position] = tuple(
            PortBinding(
                container_port=spec.container_port, protocol=spec.protocol, host_ip=address, host_port=port
            )
            for address in addresses
        )

    def _take(self, addresses: tuple[str, ...], port: int, protocol: str) -> None:
        try:
            for address in addresses:
                self._hold(address, port, protocol)
        except OSError as error:
            binding = PortBinding(container_port=0, protocol=protocol, host_ip=address, host_port=port)
            if error.errno == errno.EADDRINUSE and self._is_chosen(binding):
                where = f"Bind for {_text(address)}:{port} failed"
                reason = "port is already allocated: it is asked for twice"
                raise NetworkFailure(where, reason, remedy="publish each host port once") from error
            raise _refused(binding, error, self._holder) from error

    def _is_chosen(self, binding: PortBinding) -> bool:
        """Whether another one of this container has the port."""
        return any(
            (one.protocol, one.host_port) == (binding.protocol, binding.host_port)
            and (one.host_ip == binding.host_ip or {ANY, ANY6} & {one.host_ip, binding.host_ip})
            and (":" in one.host_ip) == (":" in binding.host_ip)
            for bindings in self.made.values()
            for one in bindings
        )

    def _first(self, addresses: tuple[str, ...], spec: PortSpec) -> int:
        for port in range(spec.host_port, spec.host_port_end + 1):
            # Claimed first: one that another start has claimed is not even tried, it is about to be bound.
            if self._claims.take(spec.protocol, port):
                if self._is_had(addresses, port, spec.protocol):
                    return port
                self._claims.drop(spec.protocol, port)
        where = f"{_text(addresses[0])}:{spec.host_port}-{spec.host_port_end}"
        raise NetworkFailure(
            f"Bind for {where} failed", "all ports are allocated", remedy="give a longer range of host ports"
        )

    def _any(self, addresses: tuple[str, ...], protocol: str) -> int:
        """One that the kernel chooses of net.ipv4.ip_local_port_range; those that do not do stay held."""
        for _ in range(_TRIES):
            try:
                port = self._hold(addresses[0], 0, protocol)
            except OSError as error:
                binding = PortBinding(container_port=0, protocol=protocol, host_ip=addresses[0])
                raise _refused(binding, error, self._holder) from error
            if self._is_had(addresses[1:], port, protocol) and self._claims.take(protocol, port):
                return port
        raise NetworkFailure(
            f"publish a {protocol} port",
            "all ports are allocated",
            remedy="widen net.ipv4.ip_local_port_range, or say which host port",
        )

    def _is_had(self, addresses: tuple[str, ...], port: int, protocol: str) -> bool:
        try:
            for address in addresses:
                self._hold(address, port, protocol)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            binding = PortBinding(container_port=0, protocol=protocol, host_ip=address, host_port=port)
            raise _refused(binding, error, self._holder) from error
        return True

    def _hold(self, address: str, port: int, protocol: str) -> int:
        # Listening, as those that are relayed will: connections that are over are in nobody's way.
        opened = held_ports.bind(address, port, protocol, listen=protocol == "tcp" and bool(port))
        self._held.append(opened)  # type: ignore[arg-type]  # a socket of the C module, which has close
        return int(opened.getsockname()[1])


def _freedom(spec: PortSpec) -> int:
    return 2 if not spec.host_port else 1 if spec.host_port_end > spec.host_port else 0


def _checked(spec: PortSpec) -> str:
    family = socket.AF_INET6 if ":" in spec.host_ip else socket.AF_INET
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, spec.host_ip))
    except OSError as error:
        raise InvalidInput(
            "publish",
            f"{spec.host_ip} is not an IP address",
            remedy="publish on an address of this host, or leave the address out",
        ) from error


def check_ports(specs: tuple[PortSpec, ...]) -> None:
    """InvalidInput for what no host can publish."""
    for spec in specs:
        if spec.protocol not in _PROTOCOLS:
            raise InvalidInput("publish", f"invalid protocol: {spec.protocol}", remedy="use tcp, udp or sctp")
        if not 0 < spec.container_port <= _LAST_PORT:
            raise InvalidInput("publish", f"invalid container port: {spec.container_port}")
        if spec.host_ip:
            _checked(spec)


def _has_ipv6() -> bool:
    """As Docker looks: ::1 can be bound."""
    try:
        held_ports.bind("::1", 0, "tcp").close()
    except OSError:
        return False
    return True


def _is_free(protocol: str, port: int) -> bool:
    try:
        held_ports.bind(ANY, port, protocol).close()
    except OSError:
        return False
    return True


def _text(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _refused(binding: PortBinding, error: OSError, holder: Holder) -> NetworkFailure:
    where = f"Bind for {_text(binding.host_ip)}:{binding.host_port} failed"
    if error.errno == errno.EADDRINUSE:
        from engine.network.occupants import occupant  # only who is refused needs it

        name = holder(binding)
        owner = f"container {name}" if name else occupant(binding)
        return NetworkFailure(
            where,
            f"port is already allocated (by {owner})" if owner else "port is already allocated",
            remedy=f"stop {owner}, or publish on another port"
            if owner
            else f"see who has it: ss -lnp 'sport = :{binding.host_port}'",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return NetworkFailure(
            where,
            f"{binding.host_ip} is no address of this host",
            remedy="see `ip addr`, or leave the address out",
        )
    if error.errno in {errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.ESOCKTNOSUPPORT}:
        family = "IPv6" if error.errno == errno.EAFNOSUPPORT else binding.protocol.upper()
        return NetworkFailure(
            where,
            f"this kernel has no {family}",
            remedy=f"load it: modprobe {binding.protocol}" if family == "SCTP" else "",
        )
    return NetworkFailure(where, os.strerror(error.errno or 0))
