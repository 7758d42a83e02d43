"""Owns the links of the default bridge, which Docker calls legacy: names and variables of other containers.

They are lines of /etc/hosts and environment variables, both as things are at the start. (In a user's network
a link is a name that the container alone has: see ``engine.network.plan.names``.) Source: moby
daemon/container_operations_unix.go (setupLinkedContainers) and daemon/links/links.go. Refuses to open a way:
containers of the default bridge reach each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.containers.folding import current
from engine.errors import Conflict, InvalidInput, NotFound
from engine.runtime.attachment import wanted_endpoints
from engine.runtime.config import expand_port, override_env
from engine.runtime.identity import container_hostname

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.options import CreateOptions
    from engine.records import Container

DEFAULT = "bridge"
_OF_A_BUILD = frozenset({"HOME", "PATH"})


def links_of(options: CreateOptions) -> tuple[str, ...]:
    """``CONTAINER[:ALIAS]`` of the default bridge."""
    return tuple(
        link
        for endpoint in wanted_endpoints(options)
        if endpoint.network == DEFAULT
        for link in endpoint.links
    )


async def check_links(parts: Parts, options: CreateOptions) -> None:
    """NotFound, or InvalidInput in Docker's words, for a container that cannot be linked to."""
    for link in links_of(options):
        name = link.partition(":")[0]
        try:
            other = (await current(parts, name)).container
        except NotFound as error:
            error.message = f"could not get container for {name}: {error}"
            error.args = (error.message,)
            raise
        _check_place(other)


async def with_links(parts: Parts, container: Container) -> Container:
    """``container`` with what its links come to now; Conflict if one leads to what does not run."""
    hosts: list[str] = []
    env: list[str] = []
    for link in links_of(container.options):
        name, _, alias = link.partition(":")
        alias = alias or name
        other = (await current(parts, name)).container
        _check_place(other)
        address = next((end.address for end in other.endpoints if end.network == DEFAULT), "")
        if not other.state.running or not address:
            reason = f"Cannot link to a non running container: /{other.name} AS /{container.name}/{alias}"
            raise Conflict("container", other.name, reason, remedy=f"tuidock start {other.name}")
        names = dict.fromkeys((alias, container_hostname(other), other.name))
        hosts.append(f"{' '.join(names)}:{address}")
        env += variables(f"/{container.name}/{alias}", address, other)
    return msgspec.structs.replace(
        container,
        options=msgspec.structs.replace(
            container.options, extra_hosts=(*container.options.extra_hosts, *hosts)
        ),
        config=msgspec.structs.replace(container.config, env=override_env(env, container.config.env)),
    )


def variables(name: str, address: str, other: Container) -> tuple[str, ...]:
    """What the environment says of ``other``; ``name`` is /CONTAINER/ALIAS."""
    prefix = name.rpartition("/")[2].upper().replace("-", "_")
    ports = sorted({pair for text in other.config.exposed_ports for pair in expand_port(text)})
    found = []
    if ports:
        port, protocol = ports[0]
        found.append(f"{prefix}_PORT={protocol}://{address}:{port}")
    for port, protocol in ports:
        key = f"{prefix}_PORT_{port}_{protocol.upper()}"
        found += [
            f"{key}={protocol}://{address}:{port}",
            f"{key}_ADDR={address}",
            f"{key}_PORT={port}",
            f"{key}_PROTO={protocol}",
        ]
    found.append(f"{prefix}_NAME={name}")
    for variable in other.config.env:
        key, equals, value = variable.partition("=")
        if equals and key not in _OF_A_BUILD:
            found.append(f"{prefix}_ENV_{key}={value}")
    return tuple(found)


def _check_place(other: Container) -> None:
    if DEFAULT not in {endpoint.network for endpoint in wanted_endpoints(other.options)}:
        raise InvalidInput(
            "",
            f"Cannot link to /{other.name}, as it does not belong to the default network",
            remedy="in a network of your own containers find each other by name, without links",
        )
