"""Owns the flags of a container's networks, names and ports; refuses what contradicts itself.

Source: docker/cli cli/command/container/opts.go (parseNetworkOpts, applyContainerOptions): the flags of one
network (``--ip``, ``--network-alias`` …) are for the first one of ``--network``, whose own advanced syntax
may say the same, but not both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.options import EndpointOptions
from tuidock.cli.command import SpecError
from tuidock.cli.flags import many, switch, text
from tuidock.cli.specs import network, ports
from tuidock.cli.specs.every import every

if TYPE_CHECKING:
    from engine.options import PortSpec
    from tuidock.cli.command import Invocation

FLAGS = (
    many("add-host", "Add a custom host-to-IP mapping (host:ip)", convert=network.extra_host),
    many("dns", "Set custom DNS servers", convert=network.name_server),
    many("dns-option", "Set DNS options", aliases=("dns-opt",)),
    many("dns-search", "Set custom DNS search domains", convert=network.search_domain),
    many("expose", "Expose a port or a range of ports"),
    text("hostname", "Container host name", "h"),
    text("ip", "IPv4 address (e.g., 172.30.100.104)"),
    text("ip6", "IPv6 address (e.g., 2001:db8::33)"),
    many("link", "Add link to another container", convert=network.link),
    many("link-local-ip", "Container IPv4/IPv6 link-local addresses"),
    text("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
    many(
        "network",
        "Connect a container to a network",
        kind="network",
        convert=network.attachment,
        aliases=("net",),
    ),
    many("network-alias", "Add network-scoped alias for the container", aliases=("net-alias",)),
    many("publish", "Publish a container's port(s) to the host", "p"),
    switch("publish-all", "Publish all exposed ports to random ports", "P"),
)
_DEFAULT = "bridge"
_PREDEFINED = frozenset({_DEFAULT, "host", "none"})
_ONE_NETWORKS_FLAGS = (
    ("aliases", "network-alias", "--network-alias and per-network alias"),
    ("address", "ip", "--ip and per-network IPv4 address"),
    ("address6", "ip6", "--ip6 and per-network IPv6 address"),
    ("link_local", "link-local-ip", "--link-local-ip and per-network link-local IP addresses"),
    ("mac_address", "mac-address", "--mac-address and per-network MAC address"),
)


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set; SpecError in Docker's words for a contradiction."""
    endpoints = _endpoints(invocation)
    first = endpoints[0]
    plain = endpoints == (EndpointOptions(network=first.network),)
    return {
        "network": first.network,
        "endpoints": () if plain else endpoints,
        "hostname": invocation.filled("hostname"),
        "ports": _ports(invocation),
        "publish_all": invocation.switch("publish-all"),
        "expose": _exposed(invocation),
        "extra_hosts": invocation.many("add-host"),
        "dns": invocation.many("dns"),
        "dns_search": invocation.many("dns-search"),
        "dns_options": invocation.many("dns-option"),
    }


def _endpoints(invocation: Invocation) -> tuple[EndpointOptions, ...]:
    asked: tuple[EndpointOptions, ...] = invocation.value("network") or (EndpointOptions(network=_DEFAULT),)
    endpoints = tuple(map(_checked, (_with_flags(asked[0], invocation), *asked[1:])))
    names = [endpoint.network for endpoint in endpoints]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f'network "{name}" is specified multiple times')
    if len(set(map(_is_user_defined, names))) > 1:
        raise SpecError(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
        )
    return endpoints


def _with_flags(endpoint: EndpointOptions, invocation: Invocation) -> EndpointOptions:
    """The first network, with what the flags outside of ``--network`` wish of it."""
    wishes: dict[str, Any] = {}
    for field, flag, both in _ONE_NETWORKS_FLAGS:
        value = invocation.value(flag)
        if not value:
            continue
        if getattr(endpoint, field):
            raise SpecError(f"conflicting options: cannot specify both {both}")
        wishes[field] = value
    return msgspec.structs.replace(endpoint, links=invocation.many("link"), **wishes)


def _checked(endpoint: EndpointOptions) -> EndpointOptions:
    name = endpoint.network
    if not name.strip():
        raise SpecError("no name set for network")
    if endpoint.aliases and not _is_user_defined(name):
        raise SpecError("network-scoped aliases are only supported for user-defined networks")
    try:
        address = network.mac_address(endpoint.mac_address)
    except ValueError as error:
        raise SpecError(str(error)) from None
    return msgspec.structs.replace(
        endpoint, network=_DEFAULT if name == "default" else name, mac_address=address
    )


def _is_user_defined(name: str) -> bool:
    return name not in {*_PREDEFINED, "default"} and not name.startswith("container:")


def _ports(invocation: Invocation) -> tuple[PortSpec, ...]:
    return tuple(port for several in every(ports.published, invocation.many("publish")) for port in several)


def _exposed(invocation: Invocation) -> tuple[str, ...]:
    return tuple(port for several in every(ports.exposed, invocation.many("expose")) for port in several)
