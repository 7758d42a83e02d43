"""Owns what a container or a build step needs to start in its networks; refuses to send what is its own.

That is in ``Attachment.bundle`` for its supervisor, which also undoes it. Sent from here is the bridge
and its table, which belong to the network.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import Conflict, InvalidInput
from engine.network import addresses, bridge, resolver
from engine.network.plan import endpoints
from engine.network.plan.names import Member, endpoint_names, has_names
from engine.network.plan.naming import mac_from_address
from engine.network.ports import bind_ports
from engine.networks.creation import ensure, to_network
from engine.networks.leases import is_stale
from engine.networks.naming import naming, wishes_of
from engine.records import Container, Endpoint, Network, PortBinding
from engine.runtime.attachment import CONTAINER_MODE, Attachment, AttachmentRequest

if TYPE_CHECKING:
    from engine.network.plan.operations import EndpointPlan
    from engine.networks.parts import Parts
    from engine.options import PortSpec

_OWNER = r"[0-9a-z]{12,}"


def attach(parts: Parts, request: AttachmentRequest) -> Attachment:
    """See ``Attachments.attach``."""
    if request.network.startswith(CONTAINER_MODE):
        return _join(request.network, request.ports, request.peer)
    if request.network in {"host", "none"}:
        return _detached(parts, request)
    owner = request.owner
    if not re.fullmatch(_OWNER, owner):
        reason = f"{owner!r} cannot name an interface: 12 characters of 0-9a-z at least"
        raise InvalidInput(request.name, reason)
    network = to_network(parts, request.network)
    bindings = bind_ports(request.ports, lambda port: parts.records.holder(port, bridge.is_plugged))
    network, warnings = ensure(parts, network)
    endpoint = _lease(parts, network, owner)
    names = endpoint_names(request.name, owner, request.hostname)
    endpoint = msgspec.structs.replace(endpoint, names=names if has_names(network) else ())
    told = naming(parts, request, (Member(network=network, endpoint=endpoint),))
    made = _bundle(parts, _plan(parts, owner, network, endpoint, bindings), bindings)
    return Attachment(
        endpoints=(endpoint,),
        ports=bindings,
        hosts=told.hosts,
        resolv_conf=told.resolv_conf,
        bundle={**made, "names": told.names},
        warnings=warnings,
    )


def _detached(parts: Parts, request: AttachmentRequest) -> Attachment:
    if request.network == "none":
        told = naming(parts, request, ())
        return Attachment(
            endpoints=(Endpoint(network="none"),),
            hosts=told.hosts,
            resolv_conf=told.resolv_conf,
            bundle=_bundle(parts, endpoints.isolated_plan(), ()),
        )
    warning = "published ports are discarded when using host network mode"
    return Attachment(
        new_namespace=False,
        endpoints=(Endpoint(network="host"),),
        hosts=resolver.host_hosts_text(bridge.read_text("/etc/hosts"), request.extra_hosts),
        resolv_conf=resolver.host_resolv_conf(bridge.read_text(resolver.RESOLV_CONF), wishes_of(request)),
        warnings=(warning,) if request.ports else (),
    )


def _lease(parts: Parts, network: Network, owner: str) -> Endpoint:
    address = parts.records.lease(
        network, owner, lambda taken: addresses.next_address(network.subnet, taken), is_stale
    )
    return Endpoint(
        network=network.name,
        network_id=network.id,
        address=address,
        prefix_length=addresses.prefix_length_of(network.subnet),
        gateway="" if network.internal else network.gateway,
        mac_address=mac_from_address(address),
    )


def _plan(
    parts: Parts, owner: str, network: Network, endpoint: Endpoint, bindings: tuple[PortBinding, ...]
) -> EndpointPlan:
    bridge.clear(parts.templates, owner)
    mtu = bridge.uplink_mtu()
    return endpoints.endpoint_plan(owner, network.bridge, network.subnet, endpoint, bindings, mtu)


def _bundle(parts: Parts, made: EndpointPlan, bindings: tuple[PortBinding, ...]) -> dict[str, Any]:
    return {
        "host": msgspec.to_builtins(parts.templates.items(made.host)),
        "container": msgspec.to_builtins(parts.templates.items(made.container)),
        "teardown": msgspec.to_builtins(parts.templates.items(made.teardown)),
        "ports": [
            {"host_ip": port.host_ip, "host_port": port.host_port, "protocol": port.protocol}
            for port in bindings
        ],
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
        endpoints=(Endpoint(network=network),),
    )
