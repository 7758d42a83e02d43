"""Owns the flags that describe a container, and CreateOptions from their values; refuses every other flag.

Each module of this package has a part of them: ``FLAGS``, and ``given``, which makes fields of CreateOptions.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.options import CreateOptions
from tuidock.cli.command import SpecError
from tuidock.cli.container_options import (
    devices,
    files,
    logging,
    namespaces,
    resources,
    security,
    supervision,
)
from tuidock.cli.flags import Flag, many, switch, text
from tuidock.cli.specs import network, ports, variables
from tuidock.cli.specs.every import every

if TYPE_CHECKING:
    from engine.options import PortSpec
    from tuidock.cli.command import Invocation

_PARTS = (devices, files, logging, namespaces, resources, security, supervision)
_OWN = (
    many("add-host", "Add a custom host-to-IP mapping (host:ip)", convert=network.extra_host),
    many("dns", "Set custom DNS servers", convert=network.name_server),
    text("entrypoint", "Overwrite the default ENTRYPOINT of the image"),
    many("env", "Set environment variables", "e", convert=variables.environment_variable),
    many("env-file", "Read in a file of environment variables"),
    many("expose", "Expose a port or a range of ports"),
    text("hostname", "Container host name", "h"),
    switch("interactive", "Keep STDIN open even if not attached", "i"),
    many("label", "Set meta data on a container", "l", convert=variables.label),
    many("label-file", "Read in a line delimited file of labels"),
    text("name", "Assign a name to the container"),
    text("network", "Connect a container to a network", kind="network", default="bridge", aliases=("net",)),
    text("platform", "Refuse an image that is not for this platform (os[/arch[/variant]])"),
    many("publish", "Publish a container's port(s) to the host", "p"),
    switch("publish-all", "Publish all exposed ports to random ports", "P"),
    switch("tty", "Allocate a pseudo-TTY", "t"),
    text("workdir", "Working directory inside the container", "w"),
)
CONTAINER_FLAGS: tuple[Flag, ...] = tuple(
    sorted((*_OWN, *(flag for part in _PARTS for flag in part.FLAGS)), key=lambda flag: flag.name)
)


def create_options(invocation: Invocation) -> CreateOptions:
    """What the command line asks for; SpecError names a value that cannot be used."""
    image, *command = invocation.arguments
    if not image:
        raise SpecError("invalid reference format")
    parts = {name: value for part in _PARTS for name, value in part.given(invocation).items()}
    return CreateOptions(
        image=image,
        command=tuple(command) or None,
        entrypoint=_entrypoint(invocation),
        name=invocation.filled("name"),
        hostname=invocation.filled("hostname"),
        working_dir=invocation.filled("workdir"),
        env=_environment(invocation),
        labels=_labels(invocation),
        tty=invocation.switch("tty"),
        stdin_open=invocation.switch("interactive"),
        ports=_ports(invocation),
        publish_all=invocation.switch("publish-all"),
        expose=_exposed(invocation),
        network=_network(invocation),
        extra_hosts=invocation.many("add-host"),
        dns=invocation.many("dns"),
        platform=invocation.filled("platform"),
        **parts,
    )


def _entrypoint(invocation: Invocation) -> tuple[str, ...] | None:
    word = invocation.optional("entrypoint")
    if word is None:
        return None
    return (word,) if word else ()


def _environment(invocation: Invocation) -> tuple[str, ...]:
    files, pairs = invocation.many("env-file"), invocation.many("env")
    try:
        return variables.environment(files, pairs, os.environ)
    except ValueError as error:
        raise SpecError(str(error)) from None


def _labels(invocation: Invocation) -> dict[str, str]:
    files, pairs = invocation.many("label-file"), invocation.many("label")
    try:
        return variables.mapping(files, pairs)
    except ValueError as error:
        raise SpecError(str(error)) from None


def _ports(invocation: Invocation) -> tuple[PortSpec, ...]:
    return tuple(port for several in every(ports.published, invocation.many("publish")) for port in several)


def _exposed(invocation: Invocation) -> tuple[str, ...]:
    return tuple(port for several in every(ports.exposed, invocation.many("expose")) for port in several)


def _network(invocation: Invocation) -> str:
    name = invocation.text("network")
    if not name:
        raise SpecError("no name set for network")
    return "bridge" if name == "default" else name
