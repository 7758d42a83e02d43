"""Owns the verbs on networks and the attachment of containers and build steps to them.

Refuses to send what belongs to a container: that is in ``Attachment.bundle`` for its supervisor, which
also undoes it. What is sent here is the bridge and its table, which belong to the network.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import Conflict, EngineError, InvalidInput
from engine.events import Event
from engine.network import addresses, bridge, plan, resolver
from engine.network.ports import bind_ports
from engine.network.template import Templates
from engine.oci.instant import to_rfc3339
from engine.records import Container, Endpoint, Network, PortBinding
from engine.runtime.attachment import Attachment
from engine.store.network_records import Lease, NetworkRecords

if TYPE_CHECKING:
    from engine.options import CreateNetworkOptions, PortSpec
    from engine.paths import Paths
    from engine.runtime.launcher import Launcher
    from engine.store.database import Database
    from engine.store.journal import Journal

DEFAULT = "bridge"
_DEFAULT_BRIDGE = "tuidock0"
_DEFAULT_ROOT = "/var/lib/tuidock"
_BUILT_IN = (DEFAULT, "host", "none")
_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]*"
_OWNER = r"[0-9a-z]{12,}"
_STALE_NANOSECONDS = 60 * 10**9
_CONTAINER_MODE = "container:"


class Networks:
    """The networks of one root."""

    def __init__(self, paths: Paths, database: Database, launcher: Launcher, journal: Journal) -> None:
        del launcher  # nothing here is forked
        self._paths = paths
        self._journal = journal
        self._records = NetworkRecords(database)
        self._templates = Templates(paths.network_templates)

    # -- verbs -----------------------------------------------------------------------------------
    async def list(self) -> tuple[Network, ...]:
        """Every network, oldest first; bridge, host and none are always there."""
        self._add_built_in()
        return self._records.all()

    async def get(self, ref: str) -> Network:
        """The network of a name, an id or a unique prefix of one."""
        self._add_built_in()
        return self._records.resolve(ref)

    async def create(self, options: CreateNetworkOptions) -> Network:
        """Make a bridge network; nothing is left of it if the kernel refuses."""
        if options.driver != DEFAULT:
            raise InvalidInput("driver", f"{options.driver} is not supported", remedy="use --driver bridge")
        if not re.fullmatch(_NAME, options.name):
            raise InvalidInput(
                "network", f"{options.name!r} is no name", remedy="use letters, digits, '_', '.' and '-'"
            )
        self._add_built_in()
        with bridge.locked():
            network = self._new_network(options)
            self._records.add(network)
            try:
                bridge.make(self._templates, network)
            except BaseException:
                self._records.remove(network, lambda _: False)
                with suppress(EngineError):  # what the first error says is what went wrong
                    bridge.remove(self._templates, network.bridge)
                raise
        self._announce("create", network)
        return network

    async def remove(self, ref: str) -> None:
        """Remove a network without active endpoints, its bridge and its table."""
        network = await self.get(ref)
        if network.name in _BUILT_IN:
            reason = f"{network.name} is a pre-defined network and cannot be removed"
            raise Conflict("network", network.name, reason)
        with bridge.locked():
            self._records.remove(network, lambda lease: bridge.is_plugged(lease.owner))
            bridge.remove(self._templates, network.bridge)
        self._announce("destroy", network)

    async def inspect(self, ref: str) -> dict[str, Any]:
        """The network in the shape of Docker's API."""
        network = await self.get(ref)
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
                for lease in self._records.leases(network.id)
                if bridge.is_plugged(lease.owner)
            },
            "Options": {"com.docker.network.bridge.name": network.bridge} if network.bridge else {},
            "Labels": network.labels,
        }

    # -- attachment ------------------------------------------------------------------------------
    async def attach(  # noqa: PLR0913 - each is one of the caller's options
        self,
        container_id: str,
        name: str,
        network_ref: str = DEFAULT,
        ports: tuple[PortSpec, ...] = (),
        *,
        hostname: str,
        dns: tuple[str, ...] = (),
        extra_hosts: tuple[str, ...] = (),
        peer: Container | None = None,
    ) -> Attachment:
        """All that ``container_id`` (or a build step's id) needs to start in the network ``network_ref``.

        ``peer`` is the running container of ``container:NAME``. An address is leased until ``release``,
        also if the start fails later. NetworkFailure if a host port is taken, before anything is made.
        """
        if network_ref.startswith(_CONTAINER_MODE):
            return _join(network_ref, ports, peer)
        resolv_conf = resolver.resolv_conf_text(
            bridge.read_text(resolver.RESOLV_CONF),
            bridge.read_text(resolver.UPSTREAM_RESOLV_CONF),
            dns,
            loopback=network_ref == "host",
        )
        if network_ref in {"host", "none"}:
            return self._detached(network_ref, ports, extra_hosts, resolv_conf)
        if not re.fullmatch(_OWNER, container_id):
            reason = f"{container_id!r} cannot name an interface: 12 characters of 0-9a-z at least"
            raise InvalidInput(name, reason)
        network = self._to_network(network_ref)
        bindings = bind_ports(ports, lambda port: self._records.holder(port, bridge.is_plugged))
        network, warnings = self._ensure(network)
        endpoint = self._lease(network, container_id)
        return Attachment(
            endpoints=(endpoint,),
            ports=bindings,
            hosts=resolver.hosts_text(hostname, endpoint.address, extra_hosts, network.gateway),
            resolv_conf=resolv_conf,
            bundle=self._bundle(self._plan(container_id, network, endpoint, bindings), bindings),
            warnings=warnings,
        )

    async def check(self, network_ref: str) -> None:
        """NotFound if there is no network ``network_ref``; the default bridge is made on first use."""
        if network_ref not in {*_BUILT_IN, "default"} and not network_ref.startswith(_CONTAINER_MODE):
            self._records.resolve(network_ref)

    async def release(self, owner_id: str) -> None:
        """Give back the addresses of ``owner_id``; nothing happens if it has none."""
        self._records.release(owner_id)

    def _detached(
        self, network: str, ports: tuple[PortSpec, ...], extra_hosts: tuple[str, ...], resolv_conf: str
    ) -> Attachment:
        if network == "none":
            return Attachment(
                endpoints=(Endpoint(network="none"),),
                hosts=resolver.hosts_text("", "", extra_hosts),
                resolv_conf=resolv_conf,
                bundle=self._bundle(plan.isolated_plan(), ()),
            )
        warning = "published ports are discarded when using host network mode"
        return Attachment(
            new_namespace=False,
            endpoints=(Endpoint(network="host"),),
            hosts=resolver.host_hosts_text(bridge.read_text("/etc/hosts"), extra_hosts),
            resolv_conf=resolv_conf,
            warnings=(warning,) if ports else (),
        )

    def _lease(self, network: Network, owner: str) -> Endpoint:
        address = self._records.lease(
            network, owner, lambda taken: addresses.next_address(network.subnet, taken), _is_stale
        )
        return Endpoint(
            network=network.name,
            network_id=network.id,
            address=address,
            prefix_length=addresses.prefix_length_of(network.subnet),
            gateway="" if network.internal else network.gateway,
            mac_address=plan.mac_from_address(address),
        )

    def _plan(
        self, container_id: str, network: Network, endpoint: Endpoint, bindings: tuple[PortBinding, ...]
    ) -> plan.EndpointPlan:
        bridge.clear(self._templates, container_id)
        mtu = bridge.uplink_mtu()
        return plan.endpoint_plan(container_id, network.bridge, network.subnet, endpoint, bindings, mtu)

    def _bundle(self, made: plan.EndpointPlan, bindings: tuple[PortBinding, ...]) -> dict[str, Any]:
        return {
            "host": msgspec.to_builtins(self._templates.items(made.host)),
            "container": msgspec.to_builtins(self._templates.items(made.container)),
            "teardown": msgspec.to_builtins(self._templates.items(made.teardown)),
            "ports": [
                {"host_ip": port.host_ip, "host_port": port.host_port, "protocol": port.protocol}
                for port in bindings
            ],
        }

    # -- records and bridges ---------------------------------------------------------------------
    def _to_network(self, ref: str) -> Network:
        if ref in {DEFAULT, "default"}:
            return self._records.find(DEFAULT) or self._add_default()
        return self._records.resolve(ref)

    def _ensure(self, network: Network) -> tuple[Network, tuple[str, ...]]:
        """The bridge is there afterwards; (the network as it is then, warnings)."""
        if bridge.is_present(self._templates, network.bridge):
            return network, ()
        with bridge.locked():
            if bridge.is_present(self._templates, network.bridge):
                return network, ()
            if not bridge.has_interface(network.bridge):
                network = self._settled(network)
            return network, bridge.make(self._templates, network)

    def _settled(self, network: Network) -> Network:
        """The host may have got routes since the subnet was chosen: the default network moves then."""
        routes = bridge.host_routes()
        if network.name == DEFAULT and all(map(_is_stale, self._records.leases(network.id))):
            free = addresses.first_free(network.subnet, self._taken(routes, network))
            if free != network.subnet:
                network = msgspec.structs.replace(
                    network, subnet=free, gateway=addresses.default_gateway(free)
                )
                self._records.replace(network)
            return network
        addresses.check_subnet(network.subnet, network.gateway, routes)
        return network

    def _taken(self, routes: tuple[str, ...], besides: Network | None = None) -> tuple[str, ...]:
        others = [other for other in self._records.all() if besides is None or other.id != besides.id]
        servers = resolver.name_servers(bridge.read_text(resolver.RESOLV_CONF))
        return (*routes, *servers, *(other.subnet for other in others if other.subnet))

    def _new_network(self, options: CreateNetworkOptions) -> Network:
        taken = self._taken(bridge.host_routes())
        if options.subnet:
            subnet, gateway = addresses.check_subnet(options.subnet, options.gateway, taken)
        else:
            if options.gateway:
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

    def _add_default(self) -> Network:
        with bridge.locked():
            found = self._records.find(DEFAULT)
            if found is not None:
                return found
            network_id = os.urandom(32).hex()
            # Other roots on this host have a default network too: only the usual root's has the plain name.
            name = _DEFAULT_BRIDGE if self._paths.root == _DEFAULT_ROOT else f"br-{network_id[:12]}"
            if bridge.has_interface(name):
                bridge.remove(self._templates, name)  # of a root that was deleted: nothing knows its subnet
            subnet = addresses.choose_subnet(self._taken(bridge.host_routes()))
            network = Network(
                id=network_id,
                name=DEFAULT,
                driver="bridge",
                created=time.time_ns(),
                subnet=subnet,
                gateway=addresses.default_gateway(subnet),
                bridge=name,
            )
            self._records.add(network)
            return network

    def _add_built_in(self) -> None:
        names = {network.name for network in self._records.all()}
        if DEFAULT not in names:
            self._add_default()
        if names >= {"host", "none"}:
            return
        with bridge.locked():
            for name, driver in (("host", "host"), ("none", "null")):
                if self._records.find(name) is None:
                    self._records.add(
                        Network(id=os.urandom(32).hex(), name=name, driver=driver, created=time.time_ns())
                    )

    def _announce(self, action: str, network: Network) -> None:
        attributes = {"name": network.name, "type": network.driver}
        self._journal.append(
            Event(time=time.time_ns(), type="network", action=action, id=network.id, attributes=attributes)
        )


def _join(network: str, ports: tuple[PortSpec, ...], peer: Container | None) -> Attachment:
    if ports:
        raise InvalidInput(
            "network",
            "conflicting options: port publishing and the container type network mode",
            remedy="publish the ports on the container whose network is joined",
        )
    if peer is None or not peer.state.running:
        name = peer.name if peer else network.removeprefix(_CONTAINER_MODE)
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


def _is_stale(lease: Lease) -> bool:
    """The owner is gone, or never came to start: it has no interface long after the lease."""
    return time.time_ns() - lease.leased > _STALE_NANOSECONDS and not bridge.is_plugged(lease.owner)


def _inspected_endpoint(network: Network, lease: Lease) -> dict[str, str]:
    return {
        "Name": lease.container or lease.owner[:12],
        "EndpointID": lease.owner,
        "MacAddress": plan.mac_from_address(lease.address),
        "IPv4Address": f"{lease.address}/{network.subnet.partition('/')[2]}",
        "IPv6Address": "",
    }
