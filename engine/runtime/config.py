"""Owns how an image's config and the caller's options become what a container runs; pure, no I/O.

Source: moby daemon/commit.go (merge) and container/env.go; docker run's reference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from engine.errors import InvalidInput
from engine.oci.config import ContainerConfig, HealthCheck
from engine.options import PortSpec
from engine.runtime.signals import signal_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.options import CreateOptions, HealthOptions

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PORT = r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?\Z"
_LAST_PORT = 65535
_HOSTNAME_LIMIT = 63
_HOSTNAME = r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_])?\Z"


def container_config(image: ContainerConfig, options: CreateOptions) -> ContainerConfig:
    """The image's config with the options applied; InvalidInput if that gives nothing to run.

    An entrypoint that the caller gave, even an empty one, forgets the image's cmd.
    """
    command = options.command or ()
    entrypoint, cmd = image.entrypoint, command or image.cmd
    if options.entrypoint is not None:
        entrypoint, cmd = tuple(part for part in options.entrypoint if part), command
    if not entrypoint and not cmd:
        raise InvalidInput(
            "", "no command specified", remedy=f"name a command after the image: {options.image} COMMAND"
        )
    working_dir = image.working_dir if options.working_dir is None else options.working_dir
    if working_dir and not working_dir.startswith("/"):
        raise InvalidInput(
            "", f"the working directory '{working_dir}' is invalid, it needs to be an absolute path"
        )
    return ContainerConfig(
        user=image.user if options.user is None else options.user,
        exposed_ports=image.exposed_ports | {port: {} for port in _asked_ports(options)},
        env=merge_env(options.env, image.env),
        entrypoint=entrypoint,
        cmd=cmd,
        volumes=image.volumes,
        working_dir=working_dir,
        labels={**image.labels, **options.labels},
        stop_signal=_stop_signal(image, options),
        stop_timeout=image.stop_timeout if options.stop_timeout is None else options.stop_timeout,
        healthcheck=_health_check(image.healthcheck, options.health),
        on_build=image.on_build,
        shell=image.shell,
        hostname=_hostname(options),
    )


def merge_env(given: Iterable[str], image: Iterable[str]) -> tuple[str, ...]:
    """The caller's variables first, then the image's that they do not replace, as ``inspect`` shows."""
    chosen: dict[str, str] = {}
    for variable in given:
        chosen[variable.partition("=")[0]] = variable
    for variable in image:
        chosen.setdefault(variable.partition("=")[0], variable)
    return tuple(chosen.values())


def process_env(config: ContainerConfig, hostname: str, *, tty: bool) -> tuple[str, ...]:
    """What the process finds in its environment; a variable without ``=`` is removed from it."""
    variables = {"PATH": DEFAULT_PATH, "HOSTNAME": hostname}
    if tty:
        variables["TERM"] = "xterm"
    return override_env(tuple(f"{name}={value}" for name, value in variables.items()), config.env)


def override_env(base: Iterable[str], given: Iterable[str]) -> tuple[str, ...]:
    """``base`` with the variables of ``given`` put over it, each in the place where its name was."""
    variables = {variable.partition("=")[0]: variable for variable in base}
    for variable in given:
        name, equals, _ = variable.partition("=")
        if equals:
            variables[name] = variable
        else:
            variables.pop(name, None)
    return tuple(variables.values())


def port_specs(options: CreateOptions, exposed: Mapping[str, object]) -> tuple[PortSpec, ...]:
    """What is to be published: the caller's ports, and with ``publish_all`` every other exposed one."""
    if not options.publish_all:
        return options.ports
    taken = {(spec.container_port, spec.protocol) for spec in options.ports}
    specs = list(options.ports)
    for text in exposed:
        for port, protocol in expand_port(text):
            if (port, protocol) not in taken:
                specs.append(PortSpec(container_port=port, protocol=protocol))
    return tuple(specs)


def expand_port(text: str) -> tuple[tuple[int, str], ...]:
    """``80``, ``80/udp`` or ``8000-8010/tcp`` as (port, protocol) pairs; InvalidInput otherwise."""
    match = re.match(_PORT, text, re.IGNORECASE)
    if match is None:
        raise _invalid_port(text)
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 < first <= last <= _LAST_PORT:
        raise _invalid_port(text)
    protocol = (match[3] or "tcp").lower()
    return tuple((port, protocol) for port in range(first, last + 1))


def encode(config: ContainerConfig) -> bytes:
    """The JSON in which the database keeps it."""
    return msgspec.json.encode(config)


def _asked_ports(options: CreateOptions) -> tuple[str, ...]:
    exposed = [pair for text in options.expose for pair in expand_port(text)]
    exposed += [(spec.container_port, spec.protocol) for spec in options.ports]
    return tuple(f"{port}/{protocol}" for port, protocol in exposed)


def _stop_signal(image: ContainerConfig, options: CreateOptions) -> str:
    text = image.stop_signal if options.stop_signal is None else options.stop_signal
    if text:
        signal_number(text)
    return text


def _hostname(options: CreateOptions) -> str:
    name = options.hostname or ""
    if name and (len(name) > _HOSTNAME_LIMIT or not re.match(_HOSTNAME, name)):
        raise InvalidInput("", f"invalid hostname format: {name}")
    return name


def _health_check(image: HealthCheck | None, given: HealthOptions | None) -> HealthCheck | None:
    if given is None:
        return image
    base = image or HealthCheck()
    return HealthCheck(
        test=given.test or base.test,
        interval=round(given.interval * 1e9) or base.interval,
        timeout=round(given.timeout * 1e9) or base.timeout,
        start_period=round(given.start_period * 1e9) or base.start_period,
        start_interval=round(given.start_interval * 1e9) or base.start_interval,
        retries=given.retries or base.retries,
    )


def _invalid_port(text: str) -> InvalidInput:
    return InvalidInput("", f"invalid port: {text}", remedy="write PORT[-PORT][/tcp|udp], ports 1 to 65535")
