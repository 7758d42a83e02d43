"""Owns a network in the shape of Docker's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.network import bridge
from engine.network.plan.naming import mac_from_address
from engine.oci.instant import to_rfc3339

if TYPE_CHECKING:
    from engine.networks.parts import Parts
    from engine.records import Network
    from engine.store.network_records import Lease


def inspected(parts: Parts, network: Network) -> dict[str, Any]:
    """What ``network inspect`` shows."""
    config = [{"Subnet": network.subnet, "Gateway": network.gateway}] if network.subnet else []
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": to_rfc3339(network.created),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": config},
        "Internal": network.internal,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {
            lease.owner: _inspected_endpoint(network, lease)
            for lease in parts.records.leases(network.id)
            if bridge.is_plugged(lease.owner)
        },
        "Options": {"com.docker.network.bridge.name": network.bridge} if network.bridge else {},
        "Labels": network.labels,
    }


def _inspected_endpoint(network: Network, lease: Lease) -> dict[str, str]:
    return {
        "Name": lease.container or lease.owner[:12],
        "EndpointID": lease.owner,
        "MacAddress": mac_from_address(lease.address),
        "IPv4Address": f"{lease.address}/{network.subnet.partition('/')[2]}",
        "IPv6Address": "",
    }
