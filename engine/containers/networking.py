"""Owns ``network connect`` and ``network disconnect``, of a container that runs or does not.

What a container that runs has is what its supervisor's bundle says: that is changed first, the record after
it. Who is killed in between leaves a record that the next change sets right. Source: moby
daemon/container_operations.go (ConnectToNetwork, DisconnectFromNetwork). Refuses to send netlink.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from engine import loop
from engine.containers.folding import current
from engine.containers.running import attachment_request
from engine.containers.supervision import ask
from engine.errors import Conflict, EngineError, NotFound
from engine.network.addresses import no_own_subnet
from engine.options import EndpointOptions
from engine.records import Endpoint, PortBinding
from engine.runtime.attachment import CONTAINER_MODE, wanted_endpoints
from engine.runtime.bundle import companions
from engine.runtime.claim import claimed, until_claimable
from engine.runtime.network_modes import check_endpoint

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from engine.containers.parts import Parts
    from engine.records import Container, Network

_CLAIM_SECONDS = 30.0
_STEP = 0.002
_HOST_MODE = "container cannot be disconnected from host network or connected to host network"
_SHARED_MODE = (
    "container sharing network namespace with another container or host"
    " cannot be connected to any other network"
)
_NONE_MODE = (
    "container cannot be connected to multiple networks with one of the networks in private (none) mode"
)


class _Told(msgspec.Struct):
    """Of the bundle's ``network``, what an engine reads again; None: it was made by an older release."""

    endpoints: tuple[Endpoint, ...] | None = None
    bindings: tuple[PortBinding, ...] = ()


class _Bundle(msgspec.Struct):
    network: _Told | None = None


async def connect(parts: Parts, reference: str, wish: EndpointOptions) -> None:
    """Let the container be in one more network, at once if it runs."""
    container = (await current(parts, reference)).container
    network = await parts.networks.find(wish.network)
    wish = msgspec.structs.replace(wish, network=network.name)

    async def join(container: Container) -> None:
        wishes = await _wishes(parts, container)
        _check_mode(container, network, wishes)
        check_endpoint(wish)
        others = tuple(one for one in wishes if one.network not in {network.name, network.id})
        if container.state.running and len(others) < len(wishes):
            reason = f"endpoint with name {container.name} already exists in network {network.name}"
            raise Conflict("container", container.name, reason)
        if container.state.running:
            await _change(parts, container, (*others, wish))
        else:
            _check_addresses(network, wish)
            parts.records.set_networks(container.id, (*others, wish))

    await _claimed(parts, container, join)


async def disconnect(parts: Parts, reference: str, network_ref: str, *, force: bool = False) -> None:
    """Let the container be in one network less, at once if it runs."""
    try:
        container = (await current(parts, reference)).container
    except NotFound as error:
        if not force:
            raise
        error.message = f"endpoint {reference} not found"
        raise

    async def leave(container: Container) -> None:
        running = container.state.running
        try:
            network = await parts.networks.find(network_ref)
        except NotFound:
            if running and not force:
                raise
            names = {network_ref}
        else:
            if network.name == "host" and running:
                raise Conflict("container", container.name, _HOST_MODE)
            names = {network.name, network.id}
        wishes = await _wishes(parts, container)
        kept = tuple(one for one in wishes if one.network not in names)
        if len(kept) == len(wishes):
            where = f"to network {network_ref}" if running else f"to the network {network_ref}"
            reason = f"container {container.id} is not connected {where}"
            raise Conflict("container", container.name, reason)
        if running:
            await _change(parts, container, kept)
        else:
            parts.records.set_networks(container.id, kept)
            await parts.networks.tell("disconnect", network_ref, container.id)

    await _claimed(parts, container, leave)


async def mend(parts: Parts, reference: str) -> bool:
    """Record what the supervisor of a container that runs has; whether something else was recorded.

    So it is after an engine that was killed between the two.
    """
    container = (await current(parts, reference)).container
    mended = False

    async def record(container: Container) -> None:
        nonlocal mended
        if not container.state.running or not _is_own(container):
            return
        ends, ports = _there(parts, container)
        if (ends, ports) != (container.endpoints, container.ports):
            parts.records.set_networks(container.id, await _wishes(parts, container), (ports, ends))
            mended = True

    await _claimed(parts, container, record)
    return mended


def _is_own(container: Container) -> bool:
    """Whether it has a network namespace of its own, whose networks can change."""
    return container.options.network != "host" and not container.options.network.startswith(CONTAINER_MODE)


async def _claimed(
    parts: Parts, container: Container, change: Callable[[Container], Awaitable[None]]
) -> None:
    """``change`` with the container as it is while nobody else starts, ends or changes it."""
    folder, end = parts.paths.container(container.id), time.monotonic() + _CLAIM_SECONDS
    while True:
        try:
            with claimed(folder):
                container = (await current(parts, container.id)).container
                await change(container)
                return
        except BlockingIOError as error:
            if time.monotonic() > end:
                reason = f"container {container.name} is being started or removed by another process"
                raise Conflict("container", container.name, reason) from error
            await until_claimable(folder, end - time.monotonic())
        except FileNotFoundError as error:
            raise NotFound("container", container.name) from error
        except _Ended:  # between the look and the request: it is changed as a stopped one is
            await loop.begin()
            import asyncio

            await asyncio.sleep(_STEP)
            if time.monotonic() > end:
                raise


class _Ended(Conflict):
    """The supervisor is gone."""


async def _wishes(parts: Parts, container: Container) -> tuple[EndpointOptions, ...]:
    """The networks that it is to be in; of one that runs, those that it is in, whatever was recorded.

    Each by its name, where there is such a network.
    """
    recorded = [await _named(parts, wish) for wish in wanted_endpoints(container.options)]
    if not container.state.running:
        return tuple(recorded)
    known = {wish.network: wish for wish in recorded}
    ends, _ = _there(parts, container)
    return tuple(known.get(end.network) or EndpointOptions(network=end.network) for end in ends)


async def _named(parts: Parts, wish: EndpointOptions) -> EndpointOptions:
    try:
        network = await parts.networks.find(wish.network)
    except NotFound:
        return wish
    return msgspec.structs.replace(wish, network=network.name)


def _there(parts: Parts, container: Container) -> tuple[tuple[Endpoint, ...], tuple[PortBinding, ...]]:
    """The container's ends and published ports, as its supervisor has them."""
    try:
        with open(parts.paths.container_bundle(container.id), "rb") as file:
            told = msgspec.json.decode(file.read(), type=_Bundle).network
    except (OSError, msgspec.DecodeError):
        told = None
    if told is None or told.endpoints is None:
        return container.endpoints, container.ports
    return told.endpoints, told.bindings


def _check_mode(container: Container, network: Network, wishes: tuple[EndpointOptions, ...]) -> None:
    if network.name == "host":
        raise Conflict("container", container.name, _HOST_MODE)
    if not _is_own(container):
        raise Conflict("container", container.name, _SHARED_MODE)
    if any(wish.network == "none" for wish in wishes) or (network.name == "none" and wishes):
        raise Conflict("container", container.name, _NONE_MODE)


def _check_addresses(network: Network, wish: EndpointOptions) -> None:
    """What only its start would say of a container that does not run."""
    if (wish.address or wish.address6) and not network.configured:
        raise no_own_subnet()


async def _change(parts: Parts, container: Container, wishes: tuple[EndpointOptions, ...]) -> None:
    """Let the supervisor do it, then record it."""
    ends, ports = _there(parts, container)
    options = msgspec.structs.replace(container.options, endpoints=wishes, detached=not wishes)
    wanted = msgspec.structs.replace(container, options=options)
    change = await parts.networks.change(attachment_request(wanted, {}), ends, ports)
    told = change.attachment
    body = {"op": "network", **change.body, "companions": companions(wanted, told)}
    try:
        await ask(parts, container, body)
    except EngineError as error:  # who is only interrupted does not know: the supervisor may have done it
        await parts.networks.release_from(container.id, change.joined)
        if isinstance(error, Conflict):
            raise _Ended("container", container.name, str(error)) from error
        raise
    parts.records.set_networks(container.id, wishes, (told.ports, told.endpoints))
    await parts.networks.release_from(container.id, change.left)
