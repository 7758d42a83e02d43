"""Owns an end of a container in each network that it wishes for: looked up, leased, ready to be planned.

Source: moby daemon/container_operations.go. Refuses to send anything but what makes the network itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from engine.errors import InvalidInput
from engine.network import addresses
from engine.network.driver_options import (
    BridgeOptions,
    SubinterfaceOptions,
    bridge_options,
    subinterface_options,
)
from engine.network.host import uplink_mtu
from engine.network.plan.endpoints import SUBINTERFACES, Place
from engine.network.plan.names import Member, endpoint_names, has_names
from engine.network.plan.naming import mac_from_address, veth_name
from engine.networks.creation import ensure, to_network
from engine.networks.leases import lease
from engine.options import EndpointOptions
from engine.records import Endpoint, Network

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.networks.parts import Parts
    from engine.runtime.attachment import AttachmentRequest

_INTERFACE = "com.docker.network.endpoint.ifname"
_SYSCTLS = "com.docker.network.endpoint.sysctls"
_NUMBERED = r"(\d+)\Z"
_INTERFACE_NAME = r"[^\s/:]{1,15}\Z"
_SYSCTL = r"net\.[a-z0-9]+\.(conf|neigh)\.IFNAME\.[a-z0-9_.]+\Z"
_MAC = r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z"
_MULTICAST = 1


class Wished(msgspec.Struct, frozen=True, kw_only=True):
    """A wish and the network that it means."""

    wish: EndpointOptions
    network: Network


def looked_up(parts: Parts, wishes: Iterable[EndpointOptions]) -> tuple[Wished, ...]:
    """Each wish with its network; NotFound for one that there is not, nothing is made yet."""
    found = tuple(Wished(wish=wish, network=to_network(parts, wish.network)) for wish in wishes)
    known: set[str] = set()
    for one in found:
        if one.network.id in known:
            raise InvalidInput("", f'network "{one.network.name}" is specified multiple times')
        known.add(one.network.id)
        _check(one)
    return found


def placed(
    parts: Parts, request: AttachmentRequest, wished: tuple[Wished, ...], present: tuple[Endpoint, ...] = ()
) -> tuple[tuple[Place, ...], tuple[str, ...]]:
    """The ends, in the order wished for, and warnings; those ``present`` are as they are, others leased."""
    known = {endpoint.network_id: endpoint for endpoint in present}
    names = {endpoint.interface for endpoint in present}
    places: list[Place] = []
    warnings: list[str] = []
    for one in wished:
        network, endpoint = one.network, known.get(one.network.id)
        if endpoint is None:
            network, more = ensure(parts, network)
            warnings += more
            endpoint = _leased(parts, request, msgspec.structs.replace(one, network=network), names)
            names.add(endpoint.interface)
        elif has_names(network):  # it may have been renamed
            called = endpoint_names(request.name, request.owner, request.hostname, one.wish.aliases)
            endpoint = msgspec.structs.replace(endpoint, names=called)
        places.append(_place(one.wish, network, endpoint))
    return tuple(places), tuple(warnings)


def standing(parts: Parts, present: tuple[Endpoint, ...], wished: tuple[Wished, ...]) -> tuple[Place, ...]:
    """The ends that a container that runs has already."""
    wishes = {one.network.id: one.wish for one in wished}
    networks = {network.id: network for network in parts.records.all()}
    return tuple(
        _place(wishes.get(endpoint.network_id), networks[endpoint.network_id], endpoint)
        for endpoint in present
        if endpoint.network_id in networks
    )


def members(places: Iterable[Place], wished: Iterable[Wished]) -> tuple[Member, ...]:
    """As names are planned with."""
    links = {one.network.id: one.wish.links for one in wished}
    return tuple(
        Member(network=place.network, endpoint=place.endpoint, links=links.get(place.network.id, ()))
        for place in places
    )


def _check(one: Wished) -> None:
    wish = one.wish
    if wish.mac_address and not _is_mac(wish.mac_address):
        raise InvalidInput("", f"invalid MAC address: {wish.mac_address}", remedy="write it in full")
    if one.network.driver == "ipvlan" and wish.mac_address:
        raise InvalidInput("", "ipvlan interfaces do not support custom mac address assignment")
    interface = wish.driver_options.get(_INTERFACE, "")
    if interface and (not re.match(_INTERFACE_NAME, interface) or interface in {".", "..", "lo"}):
        raise InvalidInput("", f"invalid interface name: {interface}", remedy="use at most 15 characters")
    for key, _ in _sysctls(wish):
        if not re.match(_SYSCTL, key):
            reason = f"unrecognised network interface sysctl '{key}'; represent it with IFNAME"
            raise InvalidInput("", reason)


def _is_mac(text: str) -> bool:
    mac = text.lower()
    return bool(re.match(_MAC, mac)) and not int(mac[:2], 16) & _MULTICAST


def _leased(parts: Parts, request: AttachmentRequest, one: Wished, names: set[str]) -> Endpoint:
    network, wish = one.network, one.wish
    address, address6 = lease(parts, network, request.owner, address=wish.address, address6=wish.address6)
    interface = wish.driver_options.get(_INTERFACE) or _next_interface(
        _meant(network).interface_prefix, names
    )
    if interface in names:
        raise InvalidInput("", f"the container has an interface {interface} already", remedy="choose another")
    called = endpoint_names(request.name, request.owner, request.hostname, wish.aliases)
    plugged = network.driver not in SUBINTERFACES
    first = not names
    return Endpoint(
        network=network.name,
        network_id=network.id,
        driver=network.driver,
        address=address,
        prefix_length=addresses.prefix_length_of(network.subnet) if address else 0,
        gateway="" if network.internal else network.gateway,
        mac_address=_mac(one, address or address6),
        address6=address6,
        prefix_length6=addresses.prefix_length_of(network.subnet6) if address6 else 0,
        gateway6="" if network.internal else network.gateway6,
        interface=interface,
        host_interface=veth_name(request.owner, "" if first else network.id) if plugged else "",
        names=called if has_names(network) else (),
    )


def _mac(one: Wished, address: str) -> str:
    if one.network.driver == "ipvlan":
        return ""  # its parent's
    if one.wish.mac_address:
        return one.wish.mac_address.lower()
    return mac_from_address(address)


def _next_interface(prefix: str, names: set[str]) -> str:
    """eth0, or the one after the last: a name that was in use may still be known to somebody."""
    numbers = [int(match[1]) for name in names if (match := re.search(_NUMBERED, name))]
    return f"{prefix}{max(numbers, default=-1) + 1}"


def _place(wish: EndpointOptions | None, network: Network, endpoint: Endpoint) -> Place:
    return Place(
        network=network,
        endpoint=endpoint,
        mtu=_meant(network).mtu or (0 if network.driver in SUBINTERFACES else uplink_mtu()),
        priority=wish.gateway_priority if wish else 0,
        link_local=wish.link_local if wish else (),
        sysctls=tuple(
            (key.replace(".", "/").replace("IFNAME", endpoint.interface), value)
            for key, value in (_sysctls(wish) if wish else ())
        ),
    )


def _meant(network: Network) -> BridgeOptions | SubinterfaceOptions:
    if network.driver in SUBINTERFACES:
        return subinterface_options(network.driver, network.options)
    return bridge_options(network.options, internal=network.internal)


def _sysctls(wish: EndpointOptions) -> list[tuple[str, str]]:
    """``net.ipv4.conf.IFNAME.log_martians=1,…`` as keys and values."""
    text = wish.driver_options.get(_SYSCTLS, "")
    pairs = (part.partition("=") for part in text.split(",") if part)
    return [(key, value) for key, _, value in pairs]
