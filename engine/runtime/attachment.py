"""Owns what the runtime asks of the networks: one Protocol and the value it answers; refuses to know any."""

from typing import Any, Protocol

from engine.options import EndpointOptions, PortSpec
from engine.records import Container, Endpoint, PortBinding, Record

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


class Attachments(Protocol):
    """What the networks' facade offers to containers: for any network mode."""

    async def check(self, network_ref: str) -> None:
        """NotFound if there is no network ``network_ref``; the default bridge always passes."""

    async def attach(self, request: AttachmentRequest) -> Attachment:
        """Lease an address and choose host ports; the network exists in the kernel afterwards."""

    async def clear(self, container_id: str) -> None:
        """Remove from the kernel what is left of a container whose supervisor was killed with its bundle."""

    async def release(self, container_id: str) -> None:
        """Give back what ``attach`` leased; nothing if there is nothing."""
