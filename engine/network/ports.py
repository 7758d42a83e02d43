"""Owns the choice and the first check of host ports; refuses to hold any (the supervisor does, bound).

The check is for the message: it says before anything starts that a port is taken, in Docker's words. What
really keeps two containers apart is that each supervisor binds its ports for as long as it lives.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
from typing import TYPE_CHECKING

from engine.errors import InvalidInput, NetworkFailure
from engine.records import PortBinding

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.options import PortSpec

ANY = "0.0.0.0"  # noqa: S104 - Docker's default for -p
_SCTP = 132
_KINDS = {
    "tcp": (socket.SOCK_STREAM, 0),
    "udp": (socket.SOCK_DGRAM, 0),
    "sctp": (socket.SOCK_STREAM, _SCTP),
}


def bind_ports(
    specs: tuple[PortSpec, ...], holder: Callable[[PortBinding], str | None] = lambda _: None
) -> tuple[PortBinding, ...]:
    """Final bindings: port 0 becomes a free one; NetworkFailure names a taken one and its ``holder``."""
    held: list[socket.socket] = []
    made: dict[int, PortBinding] = {}
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))  # one may publish a thousand
        # Kept open until all are chosen, the ones asked for first: no two of one container get the same.
        for position in sorted(range(len(specs)), key=lambda position: not specs[position].host_port):
            made[position] = _bind(specs[position], held, holder)
    finally:
        for opened in held:
            opened.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    return tuple(made[position] for position in range(len(specs)))


def _bind(
    spec: PortSpec, held: list[socket.socket], holder: Callable[[PortBinding], str | None]
) -> PortBinding:
    if spec.protocol not in _KINDS:
        raise InvalidInput("publish", f"invalid protocol: {spec.protocol}", remedy="use tcp, udp or sctp")
    kind, number = _KINDS[spec.protocol]
    host_ip = _checked_host_ip(spec.host_ip)
    binding = PortBinding(
        container_port=spec.container_port, protocol=spec.protocol, host_ip=host_ip, host_port=spec.host_port
    )
    try:
        opened = socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC, number)
        held.append(opened)
        opened.bind((host_ip, spec.host_port))
    except OSError as error:
        raise _refused(binding, error, holder) from error
    return PortBinding(
        container_port=spec.container_port,
        protocol=spec.protocol,
        host_ip=host_ip,
        host_port=opened.getsockname()[1],
    )


def _checked_host_ip(host_ip: str) -> str:
    if not host_ip:
        return ANY
    try:
        socket.inet_pton(socket.AF_INET, host_ip)
    except OSError as error:
        raise InvalidInput(
            "publish",
            f"{host_ip} is not an IPv4 address",
            remedy="publish on an IPv4 address of this host, or leave the address out",
        ) from error
    return host_ip


def _refused(
    binding: PortBinding, error: OSError, holder: Callable[[PortBinding], str | None]
) -> NetworkFailure:
    where = f"{binding.host_ip}:{binding.host_port}"
    if error.errno == errno.EADDRINUSE:
        owner = holder(binding)
        return NetworkFailure(
            f"Bind for {where} failed",
            f"port is already allocated (by container {owner})" if owner else "port is already allocated",
            remedy=f"stop {owner}, or publish on another port"
            if owner
            else f"see who has it: ss -lnp 'sport = :{binding.host_port}'",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return NetworkFailure(
            f"Bind for {where} failed",
            f"{binding.host_ip} is no address of this host",
            remedy="see `ip addr`, or leave the address out",
        )
    return NetworkFailure(f"Bind for {where} failed", os.strerror(error.errno or 0))
