"""Owns how a network comes to be: its record, its bridge or parent; and the three that always are."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from engine.errors import Conflict, EngineError, InvalidInput
from engine.network import addresses, bridge, host, parent, resolver
from engine.network.driver_options import bridge_options, subinterface_options
from engine.network.plan.endpoints import SUBINTERFACES
from engine.networks.leases import stale
from engine.records import Network

if TYPE_CHECKING:
    from engine.network.subnets import Taken
    from engine.networks.parts import Parts
    from engine.options import CreateNetworkOptions

DEFAULT = "bridge"
BUILT_IN = (DEFAULT, "host", "none")
_DEFAULT_BRIDGE = "tuidock0"
_DEFAULT_ROOT = "/var/lib/tuidock"
_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_SHORT = 12


def create(parts: Parts, options: CreateNetworkOptions) -> Network:
    """Make a network; nothing is left of it if the kernel refuses."""
    _check(options)
    add_built_in(parts)
    with bridge.locked():
        parts.records.check_name(options.name)  # before its subnet is found to be taken, by itself
        network = _with_link(parts, options, _new_network(parts, options))
        parts.records.add(network)
        try:
            _make(parts, network)
        except BaseException:
            parts.records.remove(network, lambda _: False, lambda: _take_away(parts, network))
            raise
    return network


def remove(parts: Parts, network: Network) -> None:
    """Remove what the kernel has of the network."""
    if network.driver in SUBINTERFACES:
        parent.remove(parts.templates, network)
    elif network.bridge:
        bridge.remove(parts.templates, network)


def to_network(parts: Parts, ref: str) -> Network:
    """The network ``ref``; the default one is made on first use."""
    if ref in {DEFAULT, "default"}:
        return parts.records.find(DEFAULT) or _add_default(parts)
    return parts.records.resolve(ref)


def ensure(parts: Parts, network: Network) -> tuple[Network, tuple[str, ...]]:
    """The bridge or the parent is there afterwards; (the network as it is then, warnings)."""
    if network.driver in SUBINTERFACES:
        parent.make(parts.templates, network)
        return network, ()
    if bridge.is_present(network):
        return network, ()
    with bridge.locked():
        if bridge.is_present(network):
            return network, ()
        if not host.has_interface(network.bridge):
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


def _check(options: CreateNetworkOptions) -> None:
    """What can be said without looking at anything; in Docker's words where it has some."""
    if options.name in {*BUILT_IN, "default"}:
        reason = f"operation is not permitted on predefined {options.name} network"
        raise Conflict("network", options.name, reason, remedy="choose another name")
    if not re.fullmatch(_NAME, options.name):
        raise InvalidInput(
            "network", f"{options.name!r} is no name", remedy="use letters, digits, '_', '.' and '-'"
        )
    if options.driver in {"host", "null"}:
        reason = f'only one instance of "{options.driver}" network is allowed'
        raise Conflict("network", options.name, reason, remedy="use the one that there is")
    if options.driver not in {DEFAULT, *SUBINTERFACES}:
        remedy = f"drivers are {', '.join((DEFAULT, *SUBINTERFACES))}"
        raise InvalidInput("", f'plugin "{options.driver}" not found', remedy=remedy)
    if options.ipv6 and not os.path.exists("/proc/sys/net/ipv6"):
        raise InvalidInput("", "this kernel has no IPv6", remedy="leave out --ipv6")


def _new_network(parts: Parts, options: CreateNetworkOptions) -> Network:
    from engine.network.subnets import to_subnets

    # A macvlan's subnet is usually that of the LAN: the host's routes are no obstacle.
    on_lan = options.driver in SUBINTERFACES and bool(options.subnets)
    made = to_subnets(options, _taken(parts, routes=not on_lan), _seed(parts))
    return Network(
        id=os.urandom(32).hex(),
        name=options.name,
        driver=options.driver,
        created=time.time_ns(),
        internal=options.internal,
        labels=options.labels,
        attachable=options.attachable,
        options=options.options,
        ipam_options=options.ipam_options,
        **msgspec.structs.asdict(made),
    )


def _with_link(parts: Parts, options: CreateNetworkOptions, network: Network) -> Network:
    """The network with the interface of the host that it stands on, which is checked."""
    if options.driver in SUBINTERFACES:
        return _with_parent(parts, options, network)
    name = bridge_options(options.options, internal=options.internal).name
    if not name:
        return msgspec.structs.replace(network, bridge=f"br-{network.id[:_SHORT]}")
    network = msgspec.structs.replace(network, bridge=name)
    same = next((other for other in parts.records.all() if other.bridge == name), None)
    if same is not None or bridge.is_present(network):
        other = f"network {same.id} ({same.bridge})" if same else "a network of another root"
        reason = (
            f"cannot create network {network.id} ({name}): conflicts with {other}:"
            " networks have same bridge name"
        )
        raise Conflict(
            "network", network.name, reason, remedy="choose another com.docker.network.bridge.name"
        )
    if host.has_interface(name) and not os.path.isdir(f"/sys/class/net/{name}/bridge"):
        reason = f"existing interface {name} is not a bridge"
        raise Conflict(
            "network", network.name, reason, remedy="choose another com.docker.network.bridge.name"
        )
    return msgspec.structs.replace(network, adopted=host.has_interface(name))


def _with_parent(parts: Parts, options: CreateNetworkOptions, network: Network) -> Network:
    wanted = subinterface_options(options.driver, options.options)
    if not wanted.parent:
        return msgspec.structs.replace(
            network, parent=f"dm-{network.id[:_SHORT]}", parent_made=True, internal=True
        )
    for other in parts.records.all():
        if other.parent == wanted.parent:
            reason = f"network {other.name} is already using parent interface {wanted.parent}"
            raise Conflict("network", network.name, reason, remedy="use that network, or another parent")
    made = parent.check(options.driver, wanted.parent)
    return msgspec.structs.replace(network, parent=wanted.parent, parent_made=made)


def _make(parts: Parts, network: Network) -> None:
    if network.driver in SUBINTERFACES:
        parent.make(parts.templates, network)
    else:
        bridge.make(parts.templates, network)


def _take_away(parts: Parts, network: Network) -> None:
    with suppress(EngineError):  # what the first error says is what went wrong
        remove(parts, network)


def _settled(parts: Parts, network: Network) -> Network:
    """The host may have got routes since the subnet was chosen: the default network moves then."""
    from engine.network import subnets

    taken = _taken(parts, besides=network)
    is_stale = stale(parts)
    if network.name == DEFAULT and all(map(is_stale, parts.records.leases(network.id))):
        free = subnets.first_free(network.subnet, (*taken.routes, *taken.networks))
        if free != network.subnet:
            network = msgspec.structs.replace(network, subnet=free, gateway=addresses.default_gateway(free))
            parts.records.replace(network)
        return network
    for subnet in filter(None, (network.subnet, network.subnet6)):
        subnets.check_free(subnet, msgspec.structs.replace(taken, networks=()))
    return network


def _taken(parts: Parts, *, routes: bool = True, besides: Network | None = None) -> Taken:
    """What a subnet must not overlap; without the host's ``routes`` only our own networks'."""
    from engine.network.subnets import Taken

    others = [other for other in parts.records.all() if besides is None or other.id != besides.id]
    networks = tuple(subnet for other in others for subnet in (other.subnet, other.subnet6) if subnet)
    if not routes:
        return Taken(networks=networks)
    servers = resolver.name_servers(host.read_text(resolver.RESOLV_CONF))
    return Taken((*host.routes(), *servers), host.routes(connected=True), networks)


def _seed(parts: Parts) -> bytes:
    """Names this root on this host: IPv6 subnets are made of it."""
    import hashlib

    machine = host.read_text("/etc/machine-id").strip() or os.urandom(8).hex()
    return hashlib.sha256(f"{machine}{parts.paths.root}".encode()).digest()


def _add_default(parts: Parts) -> Network:
    from engine.network import subnets

    with bridge.locked():
        found = parts.records.find(DEFAULT)
        if found is not None:
            return found
        network_id = os.urandom(32).hex()
        # Other roots on this host have a default network too: only the usual root's has the plain name.
        usual = parts.paths.root == _DEFAULT_ROOT
        taken = _taken(parts)
        network = Network(
            id=network_id,
            name=DEFAULT,
            driver="bridge",
            created=time.time_ns(),
            bridge=_DEFAULT_BRIDGE if usual else f"br-{network_id[:_SHORT]}",
        )
        if host.has_interface(network.bridge):
            # Of a root that was deleted: nothing knows its subnet.
            bridge.remove(parts.templates, msgspec.structs.replace(network, subnet="0.0.0.0/0"))
            taken = _taken(parts)
        subnet = subnets.choose_subnet((*taken.routes, *taken.networks))
        network = msgspec.structs.replace(network, subnet=subnet, gateway=addresses.default_gateway(subnet))
        parts.records.add(network)
        return network
