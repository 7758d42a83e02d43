"""Owns Docker's JSON shape of a container's networks: ``NetworkSettings`` of ``inspect``, and wishes; pure.

A container that runs shows what it has, any other one what it is to have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.options import EndpointOptions
from engine.records import Endpoint
from engine.runtime.attachment import CONTAINER_MODE, endpoint_id, wanted_endpoints

if TYPE_CHECKING:
    from engine.records import Container

_DEFAULT = "bridge"
_ADDRESSES = (
    "EndpointID",
    "Gateway",
    "GlobalIPv6Address",
    "GlobalIPv6PrefixLen",
    "IPAddress",
    "IPPrefixLen",
    "IPv6Gateway",
    "MacAddress",
)
"""What is shown of the default bridge at the top as well, as in the days when there was no other network."""


def shown_network_settings(container: Container) -> dict[str, Any]:
    """``NetworkSettings``."""
    running = container.state.running
    networks = shown_networks(container)
    default = networks.get(_DEFAULT) or _shown(container, EndpointOptions(network=""), Endpoint(network=""))
    return {
        "Bridge": "",
        "SandboxID": container.id if running else "",
        "SandboxKey": f"/proc/{container.state.pid}/ns/net" if running else "",
        "Ports": shown_ports(container),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        **{name: default[name] for name in _ADDRESSES},
        "Networks": networks,
    }


def shown_network_options(container: Container) -> dict[str, Any]:
    """What ``HostConfig`` says of networks, but for ports."""
    options = container.options
    return {
        "NetworkMode": options.network,
        "Links": _links(container),
        "Dns": list(options.dns),
        "DnsOptions": list(options.dns_options),
        "DnsSearch": list(options.dns_search),
        "ExtraHosts": list(options.extra_hosts) or None,
    }


def shown_networks(container: Container) -> dict[str, dict[str, Any]]:
    """``Networks``, by name; none in the namespace of another container."""
    if container.options.network.startswith(CONTAINER_MODE):
        return {}
    wishes = {wish.network: wish for wish in wanted_endpoints(container.options)}
    if container.state.running:
        return {end.network: _shown(container, _wish(wishes, end), end) for end in container.endpoints}
    names = {"default": _DEFAULT}
    return {
        names.get(name, name): _shown(container, wish, Endpoint(network=name))
        for name, wish in wishes.items()
    }


def shown_ports(container: Container) -> dict[str, list[dict[str, str]] | None]:
    """``Ports``; nothing where none could be published."""
    leads_out = any(end.gateway or end.gateway6 for end in container.endpoints if end.driver == _DEFAULT)
    if not (container.state.running and leads_out):
        return {}
    ports: dict[str, list[dict[str, str]] | None] = dict.fromkeys(container.config.exposed_ports)
    for binding in container.ports:
        key = f"{binding.container_port}/{binding.protocol}"
        shown = {"HostIp": binding.host_ip, "HostPort": str(binding.host_port)}
        ports[key] = [*(ports.get(key) or ()), shown]
    return ports


def _links(container: Container) -> list[str] | None:
    """Those of the default bridge, each ``/CONTAINER:/THIS/ALIAS``."""
    links = [
        (link.partition(":")[0], link.rpartition(":")[2])
        for wish in container.options.endpoints
        if wish.network == _DEFAULT
        for link in wish.links
    ]
    return [f"/{other}:/{container.name}/{alias}" for other, alias in links] or None


def _wish(wishes: dict[str, EndpointOptions], end: Endpoint) -> EndpointOptions:
    """The wish for ``end``'s network, by whichever of its names it was written."""
    for name, wish in wishes.items():
        if name == end.network or (end.network_id and end.network_id.startswith(name)):
            return wish
    return EndpointOptions(network=end.network)


def _shown(container: Container, wish: EndpointOptions, end: Endpoint) -> dict[str, Any]:
    return {
        "IPAMConfig": _asked_addresses(wish),
        "Links": (list(wish.links) or None) if wish.network != _DEFAULT else None,
        "Aliases": list(wish.aliases) or None,
        "MacAddress": end.mac_address or wish.mac_address,
        "DriverOpts": wish.driver_options or None,
        "GwPriority": wish.gateway_priority,
        "NetworkID": end.network_id,
        "EndpointID": endpoint_id(container.id, end.network_id) if end.network_id else "",
        "Gateway": end.gateway,
        "IPAddress": end.address,
        "IPPrefixLen": end.prefix_length,
        "IPv6Gateway": end.gateway6,
        "GlobalIPv6Address": end.address6,
        "GlobalIPv6PrefixLen": end.prefix_length6,
        "DNSNames": list(end.names) or None,
    }


def _asked_addresses(wish: EndpointOptions) -> dict[str, Any] | None:
    asked: dict[str, Any] = {"IPv4Address": wish.address, "IPv6Address": wish.address6}
    asked["LinkLocalIPs"] = list(wish.link_local)
    return {name: value for name, value in asked.items() if value} or None
