"""Owns what the runtime asks of the networks: one Protocol and the value it answers; refuses to know any."""

from typing import Any, Protocol

from engine.options import CreateOptions, EndpointOptions, PortSpec
from engine.records import Container, Endpoint, Network, PortBinding, Record

CONTAINER_MODE = "container:"
"""Begins the network mode of a container in another one's namespace."""


class Attachment(Record, frozen=True, kw_only=True):
    """A container's place in one network, ready to be put into its bundle.

    ``hosts`` and ``resolv_conf`` are the whole texts of the container's files, ``bundle`` is the bundle's
    ``network`` object.
    """

    hosts: str
    resolv_conf: str
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[PortBinding, ...] = ()
    bundle: dict[str, Any] | None = None
    new_namespace: bool = True
    """False: the host's own, or that of the process ``netns_of``."""
    netns_of: int | None = None
    files_of: str = ""
    """Id of the container whose hosts, hostname and resolv.conf are shared (``container:NAME``)."""
    warnings: tuple[str, ...] = ()


class AttachmentRequest(Record, frozen=True, kw_only=True):
    """What a container, or a build step, wants of its networks; ``network`` is Docker's network mode."""

    owner: str
    """The container's id, or a build step's own."""
    name: str
    network: str = "bridge"
    endpoints: tuple[EndpointOptions, ...] = ()
    """As in ``CreateOptions``."""
    detached: bool = False
    """As in ``CreateOptions``."""
    ports: tuple[PortSpec, ...] = ()
    hostname: str = ""
    domainname: str = ""
    found: bool = True
    """Whether others find it by its names: a build step is not."""
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] = ()
    peer: Container | None = None
    """The other container of ``container:NAME``."""


class NetworkChange(Record, frozen=True, kw_only=True):
    """What a container that runs is to be told: ``body`` is that of its supervisor's op ``network``.

    ``attachment`` is what it has then; ``joined`` and ``left`` are ids of networks.
    """

    attachment: Attachment
    body: dict[str, Any]
    joined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def wanted_endpoints(wanted: CreateOptions | AttachmentRequest) -> tuple[EndpointOptions, ...]:
    """The networks that somebody is to be in, in order; the first is that of ``network``."""
    if wanted.endpoints or wanted.detached:
        return wanted.endpoints
    return (EndpointOptions(network=wanted.network),)


def endpoint_id(owner_id: str, network_id: str) -> str:
    """The 64 digits that name an owner's end in a network: always the same ones."""
    import hashlib  # only who shows them needs it

    return hashlib.sha256(f"{network_id}{owner_id}".encode()).hexdigest()


class Attachments(Protocol):
    """What the networks' facade offers to containers: for any network mode."""

    async def check(self, network_ref: str) -> None:
        """NotFound if there is no network ``network_ref``; the default bridge always passes."""

    async def attach(self, request: AttachmentRequest) -> Attachment:
        """Lease an address and choose host ports; the network exists in the kernel afterwards."""

    async def find(self, network_ref: str) -> Network:
        """The network of a name or an id; NotFound."""

    async def change(
        self, request: AttachmentRequest, present: tuple[Endpoint, ...], ports: tuple[PortBinding, ...]
    ) -> NetworkChange:
        """From the networks that a container that runs has, to those that it is to have.

        What that leases is given back by ``release_from``, if its supervisor refuses.
        """

    async def tell(self, action: str, network_ref: str, container_id: str) -> None:
        """An event about the network and the container; none if the network is gone."""

    async def release_from(self, container_id: str, networks: tuple[str, ...]) -> None:
        """Give back the container's addresses in the networks with these ids."""

    async def clear(self, container_id: str) -> None:
        """Remove from the kernel what is left of a container whose supervisor was killed with its bundle."""

    async def release(self, container_id: str) -> None:
        """Give back what ``attach`` leased; nothing if there is nothing."""
