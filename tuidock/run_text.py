"""Owns the run form's language: fields to options, and options to the equivalent command; pure.

Fields are split as a shell splits words. It refuses what the command line would refuse, naming the field.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from engine.errors import InvalidInput
from engine.options import CreateOptions, MountSpec, PortSpec

if TYPE_CHECKING:
    from engine.records import Image

_HIGHEST_PORT = 65535


class RunFields(NamedTuple):
    """What the form holds; ``interactive`` means ``-it`` in the real terminal instead of ``-d``."""

    image: str
    command: str = ""
    name: str = ""
    ports: str = ""
    env: str = ""
    volumes: str = ""
    network: str = "bridge"
    interactive: bool = False
    remove: bool = False


def prefilled(image: Image, name: str) -> RunFields:
    """The form for ``image``: its command, its exposed ports published one to one."""
    ports = []
    for exposed in image.config.exposed_ports:
        port, _, protocol = exposed.partition("/")
        ports.append(f"{port}:{port}/{protocol}" if protocol not in {"", "tcp"} else f"{port}:{port}")
    return RunFields(image=name, command=shlex.join(image.config.cmd), ports=" ".join(ports))


def to_options(fields: RunFields, image_cmd: tuple[str, ...] = ()) -> CreateOptions:
    """The options that ``fields`` ask for; InvalidInput names the field that cannot be read."""
    if not fields.image.strip():
        raise InvalidInput("image", "is empty", remedy="name an image")
    command = _words("command", fields.command)
    return CreateOptions(
        image=fields.image.strip(),
        command=command if command and command != image_cmd else None,
        name=fields.name.strip() or None,
        env=tuple(_variable(word) for word in _words("env", fields.env)),
        ports=tuple(_port(word) for word in _words("ports", fields.ports)),
        mounts=tuple(_mount(word) for word in _words("volumes", fields.volumes)),
        network=fields.network.strip() or "bridge",
        tty=fields.interactive,
        stdin_open=fields.interactive,
        auto_remove=fields.remove,
    )


def run_arguments(options: CreateOptions) -> tuple[str, ...]:
    """``options`` as arguments of ``tuidock``: run, its flags, the image, the command."""
    arguments = ["run", "-it" if options.tty else "-d"]
    if options.auto_remove:
        arguments.append("--rm")
    if options.name:
        arguments += ["--name", options.name]
    for port in options.ports:
        arguments += ["-p", _port_text(port)]
    for variable in options.env:
        arguments += ["-e", variable]
    for mount in options.mounts:
        arguments += ["-v", f"{mount.source}:{mount.target}{':ro' if mount.read_only else ''}"]
    if options.network != "bridge":
        arguments += ["--network", options.network]
    return (*arguments, options.image, *(options.command or ()))


def command_text(options: CreateOptions) -> str:
    """The command that does the same, as one types it."""
    return f"tuidock {shlex.join(run_arguments(options))}"


def _words(field: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InvalidInput(field, str(error).lower(), remedy="close the quotation") from error


def _variable(word: str) -> str:
    name, equals, _ = word.partition("=")
    if not name or not equals:
        raise InvalidInput("env", f"{word!r} is not NAME=value")
    return word


def _port(word: str) -> PortSpec:
    """``[IP:][HOST:]CONTAINER[/PROTOCOL]``; an IPv6 address stands in brackets."""
    rest, _, protocol = word.partition("/")
    head, _, container = rest.rpartition(":")
    host_ip, _, host = head.rpartition(":")
    protocol = protocol or "tcp"
    if protocol not in {"tcp", "udp", "sctp"}:
        raise InvalidInput("ports", f"{word!r}: the protocol is tcp, udp or sctp")
    host, _, last = host.partition("-")
    return PortSpec(
        container_port=_port_number(word, container, least=1),
        host_port=_port_number(word, host or "0", least=0),
        host_port_end=_port_number(word, last, least=1) if last else 0,
        host_ip=host_ip.strip("[]"),
        protocol=protocol,
    )


def _port_number(word: str, text: str, *, least: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= _HIGHEST_PORT:
        raise InvalidInput("ports", f"{word!r} is not HOST:CONTAINER", remedy="for example 8080:80")
    return int(text)


def _port_text(port: PortSpec) -> str:
    host = f"[{port.host_ip}]:" if ":" in port.host_ip else f"{port.host_ip}:" if port.host_ip else ""
    span = f"-{port.host_port_end}" if port.host_port_end else ""
    middle = f"{port.host_port}{span}:" if port.host_port else ":" if host else ""
    return f"{host}{middle}{port.container_port}{'' if port.protocol == 'tcp' else f'/{port.protocol}'}"


def _mount(word: str) -> MountSpec:
    source, _, rest = word.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not target.startswith("/") or mode not in {"", "rw", "ro"}:
        raise InvalidInput("volumes", f"{word!r} is not SOURCE:/TARGET[:ro]")
    kind = "bind" if source.startswith("/") else "volume"
    return MountSpec(type=kind, source=source, target=target, read_only=mode == "ro")
