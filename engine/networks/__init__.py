"""Owns the verbs on networks, and what containers and build steps ask of them; refuses to know either."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from engine.errors import Conflict, NotFound
from engine.network import bridge
from engine.networks import attaching, creation, inspection
from engine.networks.leases import is_live
from engine.networks.parts import Parts
from engine.runtime.attachment import CONTAINER_MODE

if TYPE_CHECKING:
    from engine.options import CreateNetworkOptions
    from engine.paths import Paths
    from engine.records import Endpoint, Network, PortBinding
    from engine.runtime.attachment import Attachment, AttachmentRequest, NetworkChange
    from engine.store.database import Database
    from engine.store.journal import Journal


class Networks:
    """The networks of one root."""

    def __init__(self, paths: Paths, database: Database, journal: Journal) -> None:
        self._parts = Parts(paths, database, journal)

    # -- verbs -----------------------------------------------------------------------------------
    async def list(self) -> tuple[Network, ...]:
        """Every network, oldest first; bridge, host and none are always there."""
        creation.add_built_in(self._parts)
        return self._parts.records.all()

    async def get(self, ref: str) -> Network:
        """The network of a name, an id or a unique prefix of one."""
        creation.add_built_in(self._parts)
        return self._parts.records.resolve(ref)

    async def create(self, options: CreateNetworkOptions) -> Network:
        """Make a network; nothing is left of it if the kernel refuses."""
        network = creation.create(self._parts, options)
        self._parts.announce("create", network)
        return network

    async def remove(self, ref: str) -> None:
        """Remove a network without active endpoints, its bridge and its table."""
        network = await self.get(ref)
        if network.name in creation.BUILT_IN:
            reason = f"{network.name} is a pre-defined network and cannot be removed"
            raise Conflict("network", network.name, reason)
        with bridge.locked():
            self._parts.records.remove(
                network,
                lambda lease: is_live(self._parts, lease.owner),
                lambda: creation.remove(self._parts, network),
            )
            with suppress(OSError):  # of containers that died unseen there may be some
                os.rmdir(self._parts.paths.network_names(network.id))
        self._parts.announce("destroy", network)

    async def inspect(self, ref: str) -> dict[str, Any]:
        """The network in the shape of Docker's API."""
        return inspection.inspected(self._parts, await self.get(ref))

    # -- for containers and build steps: engine.runtime.attachment.Attachments ---------------------
    async def check(self, network_ref: str) -> None:
        """NotFound if there is no network ``network_ref``; the default bridge is made on first use."""
        if network_ref not in {*creation.BUILT_IN, "default"} and not network_ref.startswith(CONTAINER_MODE):
            self._parts.records.resolve(network_ref)

    async def attach(self, request: AttachmentRequest) -> Attachment:
        """All that a container or a build step needs to start in its networks.

        An address is leased until ``release``, also if the start fails later. NetworkFailure if a host port
        is taken, before anything is made.
        """
        return attaching.attach(self._parts, request)

    async def find(self, network_ref: str) -> Network:
        """As ``get``, for containers."""
        return await self.get(creation.DEFAULT if network_ref == "default" else network_ref)

    async def change(
        self, request: AttachmentRequest, present: tuple[Endpoint, ...], ports: tuple[PortBinding, ...]
    ) -> NetworkChange:
        """What makes of the networks that a container that runs has those that it is to have."""
        from engine.networks import connecting  # a start needs none of it

        return connecting.change(self._parts, request, present, ports)

    async def tell(self, action: str, network_ref: str, container_id: str) -> None:
        """An event about a container and a network, if there still is one."""
        with suppress(NotFound):
            self._parts.announce(action, await self.find(network_ref), container=container_id)

    async def release_from(self, container_id: str, networks: tuple[str, ...]) -> None:
        """Give back the container's addresses in ``networks``, by their ids."""
        for network_id in networks:
            self._parts.records.release_from(network_id, container_id)

    async def clear(self, owner_id: str) -> None:
        """Remove from the kernel what a killed supervisor of ``owner_id`` left; only if that is dead."""
        networks = self._parts.records.all()
        bridge.clear(self._parts.templates, owner_id, networks)
        for network in networks:
            with suppress(OSError):  # most have none
                os.unlink(f"{self._parts.paths.network_names(network.id)}/{owner_id}")

    async def release(self, owner_id: str) -> None:
        """Give back the addresses of ``owner_id``; nothing happens if it has none."""
        self._parts.records.release(owner_id)
