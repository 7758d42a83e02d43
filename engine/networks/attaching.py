"""Owns what a container or a build step needs to start in its networks; refuses to send what is its own.

That is in ``Attachment.bundle`` for its supervisor, which also undoes it. Sent from here is what makes a
network itself: its bridge, or its parent interface, and its table.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import Conflict, InvalidInput
from engine.network import bridge, host, resolver
from engine.network.driver_options import bridge_options
from engine.network.firewall import firewall
from engine.network.forwarding import filtered_families
from engine.network.plan import endpoints
from engine.network.plan.endpoints import SUBINTERFACES, Place, endpoint_plan
from engine.network.plan.published import port_entries
from engine.network.ports import bind_ports
from engine.networks.creation import add_built_in, to_network
from engine.networks.leases import is_live
from engine.networks.naming import naming, wishes_of
from engine.networks.placing import Wished, looked_up, members, placed
from engine.records import Container, Endpoint, Network, PortBinding
from engine.runtime.attachment import CONTAINER_MODE, Attachment, AttachmentRequest, wanted_endpoints

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.network.plan.operations import EndpointPlan, Operations
    from engine.networks.parts import Parts
    from engine.options import EndpointOptions, PortSpec

_OWNER = r"[0-9a-z]{12,}"
_NO_WAY_OUT = (
    "this kernel has no nf_tables (modprobe nf_tables), and iptables is no way either (install iptables, or"
    " modprobe iptable_nat iptable_mangle): published ports are relayed, and containers reach nothing beyond"
    " this host"
)
_NO_WAY_OUT6 = (
    "this kernel has no nf_tables (modprobe nf_tables), and ip6tables is no way either (install iptables, or"
    " modprobe ip6table_nat ip6table_mangle): published ports of IPv6 are relayed, and containers"
    " reach nothing beyond this host by IPv6"
)


def attach(parts: Parts, request: AttachmentRequest) -> Attachment:
    """See ``Attachments.attach``."""
    if request.network.startswith(CONTAINER_MODE):
        return _join(request.network, request.ports, request.peer)
    wishes = wanted_endpoints(request)
    modes = {wish.network for wish in wishes}
    if modes & {"host", "none"}:
        return _alone(parts, request, wishes)
    owner = request.owner
    if not re.fullmatch(_OWNER, owner):
        reason = f"{owner!r} cannot name an interface: 12 characters of 0-9a-z at least"
        raise InvalidInput(request.name, reason)
    wished = looked_up(parts, wishes)
    bindings = published(parts, request.ports, wished)
    bridge.clear(parts.templates, owner, (one.network for one in wished[1:]))
    places, warnings = placed(parts, request, wished)
    return attachment(parts, request, wished, places, bindings, warnings)


def published(parts: Parts, ports: tuple[PortSpec, ...], wished: Iterable[Wished]) -> tuple[PortBinding, ...]:
    """The host ports, final; none where no network leads out through a bridge. NetworkFailure: taken."""
    leading = [one for one in wished if _leads_out(one.network)] if ports else []
    if not leading:
        return ()
    return bind_ports(
        _bound(ports, leading),
        lambda port: parts.records.holder(port, lambda owner: is_live(parts, owner)),
        parts.claims,
    )


def attachment(
    parts: Parts,
    request: AttachmentRequest,
    wished: tuple[Wished, ...],
    places: tuple[Place, ...],
    bindings: tuple[PortBinding, ...],
    warnings: tuple[str, ...] = (),
) -> Attachment:
    """All that the container has in its networks, with the bundle's whole ``network``."""
    told = naming(parts, request, members(places, wished))
    addresses = endpoints.published_addresses(places)
    if not any(addresses):
        bindings = ()
    ends = tuple(place.endpoint for place in places)
    filtered = filtered_families()
    filters = "ip" in filtered
    made = endpoint_plan(request.owner, places, bindings if filters else ())
    warnings += _no_way_out(places, filtered)
    return Attachment(
        endpoints=ends,
        ports=bindings,
        hosts=told.hosts,
        resolv_conf=told.resolv_conf,
        bundle={
            **_bundle(parts, made, port_entries(bindings, *addresses, relay=not filters)),
            "names": told.names,
            "firewall": _firewall(parts, places, made) if filters else None,
            **facts(ends, bindings),
        },
        warnings=warnings,
    )


def facts(ends: tuple[Endpoint, ...], bindings: tuple[PortBinding, ...]) -> dict[str, Any]:
    """What the bundle tells an engine of the networks: which they are, as records."""
    return {"endpoints": msgspec.to_builtins(ends), "bindings": msgspec.to_builtins(bindings)}


def items(parts: Parts, operations: Operations) -> list[dict[str, Any]]:
    """``operations`` as a bundle's items."""
    sent: list[dict[str, Any]] = msgspec.to_builtins(parts.templates.items(operations))
    return sent


def _bound(ports: tuple[PortSpec, ...], leading: list[Wished]) -> tuple[PortSpec, ...]:
    """Ports that name no address are published where the network that leads out says."""
    network = min(leading, key=lambda one: (-one.wish.gateway_priority, one.network.name)).network
    address = bridge_options(network.options).host_binding
    if not address:
        return ports
    return tuple(msgspec.structs.replace(port, host_ip=port.host_ip or address) for port in ports)


def _no_way_out(places: tuple[Place, ...], filtered: tuple[str, ...]) -> tuple[str, ...]:
    """What is said of a host that cannot filter a family of the container's."""
    leading = [place for place in places if _leads_out(place.network)]
    if leading and not filtered:
        return (_NO_WAY_OUT,)
    without = "ip6" not in filtered and any(place.endpoint.address6 for place in leading)
    return (_NO_WAY_OUT6,) if without else ()


def _leads_out(network: Network) -> bool:
    """Through this host, which publishes ports of it."""
    return network.driver not in SUBINTERFACES and not network.internal


def _alone(parts: Parts, request: AttachmentRequest, wishes: tuple[EndpointOptions, ...]) -> Attachment:
    """The network host or none, which goes with no other."""
    if len(wishes) > 1:
        kind = "private (none)" if any(wish.network == "none" for wish in wishes) else "host"
        reason = f"container cannot be connected to multiple networks with one of the networks in {kind} mode"
        raise InvalidInput("", reason)
    if parts.records.find(wishes[0].network) is None:
        add_built_in(parts)
    network = to_network(parts, wishes[0].network)
    end = Endpoint(network=network.name, network_id=network.id, driver=network.driver)
    if network.name == "none":
        told = naming(parts, request, ())
        return Attachment(
            endpoints=(end,),
            hosts=told.hosts,
            resolv_conf=told.resolv_conf,
            bundle={**_bundle(parts, endpoint_plan(request.owner, ()), []), **facts((end,), ())},
        )
    return Attachment(
        new_namespace=False,
        endpoints=(end,),
        hosts=resolver.host_hosts_text(host.read_text("/etc/hosts"), request.extra_hosts),
        resolv_conf=resolver.host_resolv_conf(host.read_text(resolver.RESOLV_CONF), wishes_of(request)),
    )


def _firewall(parts: Parts, places: tuple[Place, ...], made: EndpointPlan) -> dict[str, Any]:
    return firewall(parts.templates, (place.network for place in places), made.host, host.uplinks())


def _bundle(parts: Parts, made: EndpointPlan, ports: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "host": items(parts, made.host),
        "container": items(parts, made.container),
        "teardown": items(parts, made.teardown),
        "ports": ports,
    }


def _join(network: str, ports: tuple[PortSpec, ...], peer: Container | None) -> Attachment:
    if ports:
        raise InvalidInput(
            "network",
            "conflicting options: port publishing and the container type network mode",
            remedy="publish the ports on the container whose network is joined",
        )
    if peer is None or not peer.state.running:
        name = peer.name if peer else network.removeprefix(CONTAINER_MODE)
        raise Conflict(
            "container",
            name,
            f"cannot join network of a non running container: {name}",
            remedy="start it first",
        )
    return Attachment(
        hosts="",
        resolv_conf="",
        new_namespace=False,
        netns_of=peer.state.pid,
        files_of=peer.id,
    )
