"""Owns the plan of a container's ends in its networks, and of a change when it joins or leaves one; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.network.addresses import broadcast_address
from engine.network.driver_options import bridge_options, subinterface_options
from engine.network.plan.naming import container_table, veth_name
from engine.network.plan.operations import (
    AddAddress,
    AddDefaultRoute,
    AddRoute,
    AddSubinterface,
    AddTable,
    AddVeth,
    DeleteLink,
    DeleteTable,
    EndpointPlan,
    Operation,
    Operations,
    ReplaceTable,
    SetPort,
    SetSysctl,
    SetUp,
    Unplug,
)
from engine.network.plan.published import published_plan
from engine.network.plan.routed import RoutedEnd, routed_plan
from engine.records import Endpoint, Network

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.records import PortBinding

CONTAINER_INTERFACE = "eth0"
SUBINTERFACES = ("macvlan", "ipvlan")
"""The drivers whose ends are born of a parent of the host's, not plugged into a bridge."""

_ALL = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - a route's destination
_LAYER_3 = ("l3", "l3s")
_LINK_LOCAL_LENGTHS = {4: 16, 6: 64}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a container: its network, what it has there, and what else the kernel has to know."""

    network: Network
    endpoint: Endpoint
    mtu: int = 0
    priority: int = 0
    """Docker's gateway priority."""
    link_local: tuple[str, ...] = ()
    sysctls: tuple[tuple[str, str], ...] = ()
    """Keys below /proc/sys with slashes, and values; of the interface."""


class ChangePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent to a container that runs: ``host``, then ``container``, then ``after`` (to the host).

    ``undo`` and ``undo_container`` take back the first two where they failed.
    """

    host: Operations = ()
    container: Operations = ()
    after: Operations = ()
    undo: Operations = ()
    undo_container: Operations = ()


def endpoint_plan(
    owner_id: str, places: tuple[Place, ...], ports: tuple[PortBinding, ...] = ()
) -> EndpointPlan:
    """All ends of a container that starts; without any only its loopback; every host port is final."""
    gateways = [route_of(place, family, replace=False) for family, place in _gateways(places)]
    opened = _opened(owner_id, places, ports)
    return EndpointPlan(
        host=(*_each(_host_end(owner_id, place) for place in places), *opened),
        container=(SetUp("lo"), *_each(map(_container_end, places)), *gateways),
        teardown=(
            *(DeleteTable(table.name, table.family) for table in _tables(opened)),
            *(Unplug(host_name(owner_id, place)) for place in places if _is_plugged(place)),
        ),
    )


def change_plan(
    owner_id: str,
    before: tuple[Place, ...],
    after: tuple[Place, ...],
    ports: tuple[tuple[PortBinding, ...], tuple[PortBinding, ...]],
) -> ChangePlan:
    """From the ends ``before`` to those ``after``, and from the first of ``ports`` to the second."""
    known, kept = {_key(place) for place in before}, {_key(place) for place in after}
    joined = [place for place in after if _key(place) not in known]
    left = [place for place in before if _key(place) not in kept]
    return ChangePlan(
        host=(
            *_each(_host_end(owner_id, place) for place in joined),
            *_republished(owner_id, (before, ports[0]), (after, ports[1])),
        ),
        container=(
            *_each(map(_container_end, joined)),
            *_rerouted(before, after),
            *(DeleteLink(place.endpoint.interface) for place in left if not _is_plugged(place)),
        ),
        after=tuple(DeleteLink(host_name(owner_id, place)) for place in left if _is_plugged(place)),
        undo=(
            *(DeleteLink(host_name(owner_id, place)) for place in joined if _is_plugged(place)),
            *_republished(owner_id, (after, ports[1]), (before, ports[0])),
        ),
        undo_container=tuple(
            DeleteLink(place.endpoint.interface) for place in joined if not _is_plugged(place)
        ),
    )


def gateway_place(places: Iterable[Place], family: int) -> Place | None:
    """The network that the default route of the ``family`` (4, 6) goes through, by Docker's rule.

    The highest priority, then the first by name; one without a gateway (an internal one) never.
    """
    able = [place for place in places if _leads_out(place, family)]
    return min(able, key=lambda place: (-place.priority, place.network.name), default=None)


def published_addresses(places: tuple[Place, ...]) -> tuple[str, str]:
    """What published ports lead to, IPv4 and IPv6: where the default route is, if that is a bridge's."""
    four, six = gateway_place(places, 4), gateway_place(places, 6)
    return (
        four.endpoint.address if four is not None and _is_plugged(four) else "",
        six.endpoint.address6 if six is not None and _is_plugged(six) else "",
    )


def route_of(place: Place, family: int, *, replace: bool) -> Operation:
    """The default route of the ``family`` through ``place``."""
    gateway = place.endpoint.gateway if family == 4 else place.endpoint.gateway6  # noqa: PLR2004 - IPv4
    if gateway and not replace:
        return AddDefaultRoute(gateway)
    interface = "" if gateway else place.endpoint.interface
    return AddRoute(_ALL[family], 0, gateway, interface, replace=replace)


def host_name(owner_id: str, place: Place) -> str:
    """The host's end of ``place``; the container's eth0 has the plain name."""
    first = place.endpoint.interface == CONTAINER_INTERFACE
    return place.endpoint.host_interface or veth_name(owner_id, "" if first else place.network.id)


def _gateways(places: tuple[Place, ...]) -> list[tuple[int, Place]]:
    found = [(family, gateway_place(places, family)) for family in _ALL]
    return [(family, place) for family, place in found if place is not None]


def _leads_out(place: Place, family: int) -> bool:
    endpoint, network = place.endpoint, place.network
    gateway, address = (
        (endpoint.gateway, endpoint.address)
        if family == 4  # noqa: PLR2004 - IPv4
        else (endpoint.gateway6, endpoint.address6)
    )
    if network.internal or not address:
        return False
    # An ipvlan of layer 3 has no gateway: its parent routes.
    return bool(gateway) or (network.driver == "ipvlan" and network.options.get("ipvlan_mode") in _LAYER_3)


def _host_end(owner_id: str, place: Place) -> Operations:
    network, endpoint = place.network, place.endpoint
    if _is_plugged(place):
        name = host_name(owner_id, place)
        veth = AddVeth(name, network.bridge, endpoint.mac_address, place.mtu, endpoint.interface)
        return (veth, SetPort(name, not bridge_options(network.options, internal=network.internal).icc))
    wanted = subinterface_options(network.driver, network.options)
    return (
        AddSubinterface(
            network.driver,
            network.parent,
            endpoint.interface,
            wanted.mode,
            wanted.flag,
            endpoint.mac_address,
            place.mtu,
        ),
    )


def _container_end(place: Place) -> Operations:
    endpoint, network = place.endpoint, place.network
    name = endpoint.interface
    operations: list[Operation] = [
        # As Docker: an interface of a network without IPv6 has no address of it at all.
        SetSysctl(f"net/ipv6/conf/{name}/disable_ipv6", "0" if endpoint.address6 else "1"),
        *(SetSysctl(key, value) for key, value in place.sysctls),
    ]
    if endpoint.address:
        broadcast = broadcast_address(network.subnet)
        operations.append(AddAddress(name, endpoint.address, broadcast, endpoint.prefix_length))
    if endpoint.address6:
        operations.append(AddAddress(name, endpoint.address6, "", endpoint.prefix_length6))
    for address in place.link_local:
        family = 6 if ":" in address else 4
        broadcast = "" if family == 6 else "169.254.255.255"  # noqa: PLR2004 - IPv6
        operations.append(AddAddress(name, address, broadcast, _LINK_LOCAL_LENGTHS[family]))
    return (*operations, SetUp(name))


def _rerouted(before: tuple[Place, ...], after: tuple[Place, ...]) -> Operations:
    """The default routes that change; one whose interface goes, goes with it."""
    operations: list[Operation] = []
    old = dict(_gateways(before))
    for family, place in _gateways(after):
        if family not in old or _key(old[family]) != _key(place):
            operations.append(route_of(place, family, replace=True))
    return tuple(operations)


_Published = tuple[tuple[Place, ...], tuple["PortBinding", ...]]


def _republished(owner_id: str, before: _Published, after: _Published) -> Operations:
    """The container's tables for its new addresses and ports; nothing if those are the old ones."""
    old, new = _opened(owner_id, *before), _opened(owner_id, *after)
    if old == new:
        return ()
    kept = {table.family for table in _tables(new)}
    return (
        *(DeleteTable(table.name, table.family) for table in _tables(old) if table.family not in kept),
        *(ReplaceTable(one.name, one.family) if isinstance(one, AddTable) else one for one in new),
    )


def _opened(owner_id: str, places: tuple[Place, ...], ports: tuple[PortBinding, ...]) -> Operations:
    address, address6 = published_addresses(places) if ports else ("", "")
    table = container_table(owner_id)
    published = published_plan(table, address, ports, address6)
    known = {one.family for one in _tables(published)}
    routed = routed_plan(table, tuple(end for place in places for end in _routed(place)), ports)
    return (*published, *(one for one in routed if not isinstance(one, AddTable) or one.family not in known))


def _routed(place: Place) -> list[RoutedEnd]:
    """The ends that others may send to: see ``engine.network.plan.routed``."""
    network, endpoint = place.network, place.endpoint
    if not _is_plugged(place) or network.internal or not network.options:
        return []
    options = bridge_options(network.options)
    modes = ((options.gateway_mode, endpoint.address), (options.gateway_mode6, endpoint.address6))
    return [
        RoutedEnd(network.bridge, address, options.trusted)
        for mode, address in modes
        if mode == "routed" and address
    ]


def _tables(opened: Operations) -> list[AddTable]:
    return [operation for operation in opened if isinstance(operation, AddTable)]


def _is_plugged(place: Place) -> bool:
    return place.network.driver not in SUBINTERFACES


def _key(place: Place) -> tuple[str, str]:
    return place.network.id, place.endpoint.interface


def _each(parts: Iterable[Operations]) -> Operations:
    return tuple(operation for part in parts for operation in part)
