"""Owns what the runtime asks of the networks: one Protocol and the value it answers; refuses to know any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from engine.records import Endpoint, PortBinding, Record

if TYPE_CHECKING:
    from engine.options import PortSpec
    from engine.records import Container


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


class Attachments(Protocol):
    """What the networks' facade offers to containers: for any network mode."""

    async def check(self, network_ref: str) -> None:
        """NotFound if there is no network ``network_ref``; the default bridge always passes."""

    async def attach(  # noqa: PLR0913 - each is a part of the endpoint
        self,
        container_id: str,
        name: str,
        network_ref: str,
        ports: tuple[PortSpec, ...],
        *,
        hostname: str,
        dns: tuple[str, ...] = (),
        extra_hosts: tuple[str, ...] = (),
        peer: Container | None = None,
    ) -> Attachment:
        """Lease an address and choose host ports; the network exists in the kernel afterwards.

        ``peer`` is the other container of ``container:NAME``.
        """

    async def release(self, container_id: str) -> None:
        """Give back what ``attach`` leased; nothing if there is nothing."""
