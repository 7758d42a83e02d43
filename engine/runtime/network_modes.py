"""Owns which wishes for networks a container may have together, in Docker's words; pure.

Source: moby daemon/container_operations.go, runconfig/hostconfig_unix.go (validateNetMode) and errors.go.
Refuses to look for networks: whether an address fits one is known to that alone.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from engine.errors import InvalidInput
from engine.runtime.attachment import CONTAINER_MODE

if TYPE_CHECKING:
    from engine.options import CreateOptions, EndpointOptions

_HOST, _NONE = "host", "none"
_PREDEFINED = frozenset({"bridge", "default", _HOST, _NONE})
_CONFLICT = "conflicting options: "
_UNDEFINED = " This would result in undefined behavior"
_LINK_LOCAL = ("169.254.", "fe8", "fe9", "fea", "feb")


def is_user_defined(mode: str) -> bool:
    """Whether ``mode`` is a network that somebody made."""
    return mode not in _PREDEFINED and not mode.startswith(CONTAINER_MODE)


def check_networks(options: CreateOptions) -> None:
    """InvalidInput for wishes that contradict each other, or mean nothing in the network mode."""
    mode, endpoints = options.network, options.endpoints
    if mode.startswith(CONTAINER_MODE):
        _check_shared(options)
    links = any(endpoint.links for endpoint in endpoints)
    if links and mode in {_HOST, _NONE}:
        raise InvalidInput("", f"{_CONFLICT}{mode} type networking can't be used with links.{_UNDEFINED}")
    if not is_user_defined(mode) and mode not in {"bridge", "default"}:
        if any(endpoint.mac_address for endpoint in endpoints):
            raise InvalidInput("", f"{_CONFLICT}mac-address and the network mode")
        if any(endpoint.link_local for endpoint in endpoints):
            raise InvalidInput("", f"{_CONFLICT}link-local addresses and the network mode")
    _check_together(tuple(endpoint.network for endpoint in endpoints))
    for endpoint in endpoints:
        check_endpoint(endpoint)


def check_endpoint(endpoint: EndpointOptions) -> None:
    """InvalidInput for addresses that are none, and for wishes that only a user's own network grants."""
    for family, word, address in (
        (socket.AF_INET, "IPv4", endpoint.address),
        (socket.AF_INET6, "IPv6", endpoint.address6),
    ):
        if address and not _is_address(address, family):
            raise InvalidInput("", f"invalid {word} address: {address}")
    for address in endpoint.link_local:
        if not _is_link_local(address):
            raise InvalidInput("", f"invalid link local IP address: {address}")
    if is_user_defined(endpoint.network):
        return
    if endpoint.address or endpoint.address6:
        raise InvalidInput("", "user specified IP address is supported on user defined networks only")
    if endpoint.aliases:
        raise InvalidInput(
            "", "network-scoped alias is supported only for containers in user defined networks"
        )


def _check_shared(options: CreateOptions) -> None:
    """``--network container:NAME``: what is the other container's cannot be asked for."""
    if options.network == CONTAINER_MODE:
        raise InvalidInput("", "Invalid network mode: invalid container format container:<name|id>")
    for asked, what in (
        (
            any(endpoint.links for endpoint in options.endpoints),
            f"container type network can't be used with links.{_UNDEFINED}",
        ),
        (options.hostname, "hostname and the network mode"),
        (options.dns, "dns and the network mode"),
        (options.dns_search or options.dns_options, "dns options and the network mode"),
        (options.extra_hosts, "custom host-to-IP mapping and the network mode"),
        (
            options.ports or options.publish_all,
            "port publishing and the container type network mode",
        ),
        (options.expose, "port exposing and the container type network mode"),
    ):
        if asked:
            raise InvalidInput("", f"{_CONFLICT}{what}")


def _check_together(modes: tuple[str, ...]) -> None:
    if len(modes) < 2:  # noqa: PLR2004 - one network contradicts no other
        return
    if any(mode == _HOST or mode.startswith(CONTAINER_MODE) for mode in modes):
        raise InvalidInput(
            "",
            "container sharing network namespace with another container or host"
            " cannot be connected to any other network",
        )
    if _NONE in modes:
        raise InvalidInput(
            "",
            "container cannot be connected to multiple networks"
            " with one of the networks in private (none) mode",
        )
    if len(set(map(is_user_defined, modes))) > 1:
        raise InvalidInput(
            "", f"{_CONFLICT}cannot attach both user-defined and non-user-defined network-modes"
        )


def _is_link_local(address: str) -> bool:
    known = _is_address(address, socket.AF_INET) or _is_address(address, socket.AF_INET6)
    return known and address.lower().startswith(_LINK_LOCAL)


def _is_address(address: str, family: int) -> bool:
    try:
        socket.inet_pton(family, address)
    except OSError:
        return False
    return True
