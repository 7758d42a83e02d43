"""Owns a network in the shape of Docker's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.network import host
from engine.network.driver_options import BRIDGE_NAME, MTU
from engine.network.plan.naming import mac_from_address
from engine.networks.creation import DEFAULT
from engine.networks.leases import is_live
from engine.oci.instant import to_rfc3339
from engine.runtime.attachment import endpoint_id

if TYPE_CHECKING:
    from engine.networks.parts import Parts
    from engine.records import Endpoint, Network

_BRIDGE = "com.docker.network.bridge."


def inspected(parts: Parts, network: Network) -> dict[str, Any]:
    """What ``network inspect`` shows: of containers those that run."""
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": to_rfc3339(network.created),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": bool(network.subnet) or not network.subnet6,
        "EnableIPv6": bool(network.subnet6),
        "IPAM": {"Driver": "default", "Options": network.ipam_options or None, "Config": _config(network)},
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": _containers(parts, network),
        "Options": _options(network),
        "Labels": network.labels,
    }


def _config(network: Network) -> list[dict[str, Any]]:
    families = (
        (network.subnet, network.ip_range, network.gateway),
        (network.subnet6, network.ip_range6, network.gateway6),
    )
    config = []
    for subnet, ip_range, gateway in families:
        if subnet:
            reserved = {
                name: address
                for name, address in network.auxiliary.items()
                if (":" in address) == (":" in subnet)
            }
            shown = {
                "Subnet": subnet,
                "IPRange": ip_range,
                "Gateway": gateway,
                "AuxiliaryAddresses": reserved,
            }
            config.append({key: value for key, value in shown.items() if value})
    return config


def _options(network: Network) -> dict[str, str]:
    """As they were given; those of the default bridge are Docker's."""
    if network.name != DEFAULT:
        return network.options
    return {
        _BRIDGE + "default_bridge": "true",
        _BRIDGE + "enable_icc": "true",
        _BRIDGE + "enable_ip_masquerade": "true",
        _BRIDGE + "host_binding_ipv4": "0.0.0.0",  # noqa: S104 - Docker's default
        BRIDGE_NAME: network.bridge,
        MTU: str(host.uplink_mtu()),
    }


def _containers(parts: Parts, network: Network) -> dict[str, Any]:
    shown = {
        container_id: _endpoint(name, endpoint, container_id, network)
        for container_id, name, endpoint in parts.records.attached(network)
        if is_live(parts, container_id)
    }
    for lease in parts.records.leases(network.id):  # of build steps, which have no record
        if not lease.container and is_live(parts, lease.owner):
            step = shown.setdefault(
                lease.owner,
                {
                    "Name": lease.owner[:12],
                    "EndpointID": endpoint_id(lease.owner, network.id),
                    "MacAddress": mac_from_address(lease.address),
                    "IPv4Address": "",
                    "IPv6Address": "",
                },
            )
            six = ":" in lease.address
            length = (network.subnet6 if six else network.subnet).partition("/")[2]
            step["IPv6Address" if six else "IPv4Address"] = f"{lease.address}/{length}"
    return shown


def _endpoint(name: str, endpoint: Endpoint, container_id: str, network: Network) -> dict[str, str]:
    return {
        "Name": name,
        "EndpointID": endpoint_id(container_id, network.id),
        "MacAddress": endpoint.mac_address,
        "IPv4Address": f"{endpoint.address}/{endpoint.prefix_length}" if endpoint.address else "",
        "IPv6Address": f"{endpoint.address6}/{endpoint.prefix_length6}" if endpoint.address6 else "",
    }
