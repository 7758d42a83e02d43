"""Owns how a network comes to be: its subnet, its record, its bridge; and the three that always are."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from engine.errors import EngineError, InvalidInput
from engine.network import addresses, bridge, resolver
from engine.networks.leases import is_stale
from engine.records import Network

if TYPE_CHECKING:
    from engine.networks.parts import Parts
    from engine.options import CreateNetworkOptions

DEFAULT = "bridge"
BUILT_IN = (DEFAULT, "host", "none")
_DEFAULT_BRIDGE = "tuidock0"
_DEFAULT_ROOT = "/var/lib/tuidock"
_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]*"


def create(parts: Parts, options: CreateNetworkOptions) -> Network:
    """Make a bridge network; nothing is left of it if the kernel refuses."""
    if options.driver != DEFAULT:
        raise InvalidInput("driver", f"{options.driver} is not supported", remedy="use --driver bridge")
    if not re.fullmatch(_NAME, options.name):
        raise InvalidInput(
            "network", f"{options.name!r} is no name", remedy="use letters, digits, '_', '.' and '-'"
        )
    add_built_in(parts)
    with bridge.locked():
        network = _new_network(parts, options)
        parts.records.add(network)
        try:
            bridge.make(parts.templates, network)
        except BaseException:
            parts.records.remove(network, lambda _: False, lambda: _take_away(parts, network))
            raise
    return network


def _take_away(parts: Parts, network: Network) -> None:
    with suppress(EngineError):  # what the first error says is what went wrong
        bridge.remove(parts.templates, network.bridge)


def to_network(parts: Parts, ref: str) -> Network:
    """The network ``ref``; the default one is made on first use."""
    if ref in {DEFAULT, "default"}:
        return parts.records.find(DEFAULT) or _add_default(parts)
    return parts.records.resolve(ref)


def ensure(parts: Parts, network: Network) -> tuple[Network, tuple[str, ...]]:
    """The bridge is there afterwards; (the network as it is then, warnings)."""
    if bridge.is_present(parts.templates, network.bridge):
        return network, ()
    with bridge.locked():
        if bridge.is_present(parts.templates, network.bridge):
            return network, ()
        if not bridge.has_interface(network.bridge):
            network = _settled(parts, network)
        return network, bridge.make(parts.templates, network)


def add_built_in(parts: Parts) -> None:
    """Record bridge, host and none if they are not."""
    names = {network.name for network in parts.records.all()}
    if DEFAULT not in names:
        _add_default(parts)
    if names >= {"host", "none"}:
        return
    with bridge.locked():
        for name, driver in (("host", "host"), ("none", "null")):
            if parts.records.find(name) is None:
                parts.records.add(
                    Network(id=os.urandom(32).hex(), name=name, driver=driver, created=time.time_ns())
                )


def _settled(parts: Parts, network: Network) -> Network:
    """The host may have got routes since the subnet was chosen: the default network moves then."""
    routes = bridge.host_routes()
    if network.name == DEFAULT and all(map(is_stale, parts.records.leases(network.id))):
        free = addresses.first_free(network.subnet, _taken(parts, routes, network))
        if free != network.subnet:
            network = msgspec.structs.replace(network, subnet=free, gateway=addresses.default_gateway(free))
            parts.records.replace(network)
        return network
    addresses.check_subnet(network.subnet, network.gateway, routes)
    return network


def _taken(parts: Parts, routes: tuple[str, ...], besides: Network | None = None) -> tuple[str, ...]:
    others = [other for other in parts.records.all() if besides is None or other.id != besides.id]
    servers = resolver.name_servers(bridge.read_text(resolver.RESOLV_CONF))
    return (*routes, *servers, *(other.subnet for other in others if other.subnet))


def _new_network(parts: Parts, options: CreateNetworkOptions) -> Network:
    taken = _taken(parts, bridge.host_routes())
    asked, chosen = next(iter(options.subnets), ""), next(iter(options.gateways), None)
    if asked:
        subnet, gateway = addresses.check_subnet(asked, chosen, taken)
    else:
        if chosen:
            raise InvalidInput("gateway", "it needs a subnet", remedy="give --subnet as well")
        subnet = addresses.choose_subnet(taken)
        gateway = addresses.default_gateway(subnet)
    network_id = os.urandom(32).hex()
    return Network(
        id=network_id,
        name=options.name,
        driver=options.driver,
        created=time.time_ns(),
        subnet=subnet,
        gateway=gateway,
        bridge=f"br-{network_id[:12]}",
        internal=options.internal,
        labels=options.labels,
    )


def _add_default(parts: Parts) -> Network:
    with bridge.locked():
        found = parts.records.find(DEFAULT)
        if found is not None:
            return found
        network_id = os.urandom(32).hex()
        # Other roots on this host have a default network too: only the usual root's has the plain name.
        name = _DEFAULT_BRIDGE if parts.paths.root == _DEFAULT_ROOT else f"br-{network_id[:12]}"
        if bridge.has_interface(name):
            bridge.remove(parts.templates, name)  # of a root that was deleted: nothing knows its subnet
        subnet = addresses.choose_subnet(_taken(parts, bridge.host_routes()))
        network = Network(
            id=network_id,
            name=DEFAULT,
            driver="bridge",
            created=time.time_ns(),
            subnet=subnet,
            gateway=addresses.default_gateway(subnet),
            bridge=name,
        )
        parts.records.add(network)
        return network
