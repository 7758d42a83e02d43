"""Owns how instructions change an image's config: pure edits of ContainerConfig; refuses trees and history.

The words of an instruction are expanded before it comes here. ``apply_changes`` is the front door of
``commit --change`` and ``import --change``.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.build.words import expanded
from engine.dockerfile.instructions import (
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Instruction,
    Label,
    Onbuild,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from engine.dockerfile.match import clean
from engine.dockerfile.parse import parse_instruction
from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.dockerfile.words import Pair
    from engine.oci.config import ContainerConfig

DEFAULT_SHELL = ("/bin/sh", "-c")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PORT = re.compile(r"(?:.*:)?(\d+)(?:-(\d+))?(?:/(\w+))?\Z")
_PROTOCOLS = frozenset({"tcp", "udp", "sctp"})
_MAX_PORT = 65535
_LAST_SIGNAL = 64
_CHANGES = (Cmd, Entrypoint, Env, Expose, Healthcheck, Label, Onbuild, StopSignal, User, Volume, Workdir)


def apply_changes(config: ContainerConfig, changes: Iterable[str]) -> ContainerConfig:
    """``config`` after the instructions in ``changes``, as Docker's --change: only some are allowed."""
    cmd_is_set = False
    for change in changes:
        instruction = parse_instruction(change, "--change")
        if not isinstance(instruction, _CHANGES):
            word = change.split(maxsplit=1)[0].upper()
            raise InvalidInput("--change", f"{word} is not a valid change command")
        instruction = expanded(instruction, environment_of(config.env), "\\")
        cmd_is_set = cmd_is_set or isinstance(instruction, Cmd)
        config = edited(config, instruction, cmd_is_set=cmd_is_set)
    return config


def edited(  # noqa: C901, PLR0911, PLR0912 - one case an instruction
    config: ContainerConfig, instruction: Instruction, *, cmd_is_set: bool
) -> ContainerConfig:
    """``config`` after ``instruction``; ``cmd_is_set``: this stage has had a CMD, ENTRYPOINT keeps it."""
    match instruction:
        case Env():
            return replace(config, env=with_environment(config.env, instruction.pairs))
        case Label():
            labels = {**config.labels, **{pair.name: pair.value for pair in instruction.pairs}}
            return replace(config, labels=labels)
        case Cmd():
            command = _command(config, instruction)
            return replace(config, cmd=command, args_escaped=True)
        case Entrypoint():
            kept = config.cmd if cmd_is_set else ()
            return replace(config, entrypoint=_command(config, instruction), cmd=kept)
        case Workdir():
            return replace(config, working_dir=joined_workdir(config, instruction.path))
        case User():
            return replace(config, user=instruction.user)
        case Expose():
            ports: dict[str, dict[str, str]] = {port: {} for port in exposed_ports(instruction.ports)}
            return replace(config, exposed_ports={**config.exposed_ports, **ports})
        case Volume():
            return replace(config, volumes={**config.volumes, **{path: {} for path in instruction.paths}})
        case StopSignal():
            return replace(config, stop_signal=_checked_signal(instruction.signal))
        case Shell():
            return replace(config, shell=instruction.command)
        case Healthcheck():
            return replace(config, healthcheck=instruction.health)
        case Onbuild():
            return replace(config, on_build=(*config.on_build, instruction.expression))
        case _:
            return config


def in_shell(config: ContainerConfig, command: tuple[str, ...]) -> tuple[str, ...]:
    """The arguments that run shell form ``command`` in the image's SHELL."""
    return (*(config.shell or DEFAULT_SHELL), *command)


def environment_of(env: Iterable[str]) -> dict[str, str]:
    """``K=V`` items as a mapping, the last of a name wins."""
    return dict(item.partition("=")[::2] for item in env)


def with_environment(env: tuple[str, ...], pairs: Iterable[Pair]) -> tuple[str, ...]:
    """``env`` with ``pairs`` set: a name that is there keeps its place."""
    items = {item.partition("=")[0]: item for item in env}
    items.update((pair.name, f"{pair.name}={pair.value}") for pair in pairs)
    return tuple(items.values())


def joined_workdir(config: ContainerConfig, path: str) -> str:
    """The folder that ``WORKDIR path`` means: relative ones go on from the current folder."""
    joined = path if path.startswith("/") else f"{config.working_dir or '/'}/{path}"
    cleaned = clean(joined)
    return f"{cleaned}/" if path.endswith("/") and cleaned != "/" else cleaned


def exposed_ports(words: Iterable[str]) -> tuple[str, ...]:
    """``port/protocol`` of every port that EXPOSE's words name, ranges spelt out, sorted."""
    ports: set[str] = set()
    for word in words:
        found = _PORT.match(word)
        protocol = (found[3] or "tcp").lower() if found else ""
        if not found or protocol not in _PROTOCOLS:
            raise InvalidInput("", f"invalid containerPort: {word}", remedy="write PORT[-LAST][/udp]")
        first, last = int(found[1]), int(found[2] or found[1])
        if not 0 < first <= last <= _MAX_PORT:
            raise InvalidInput("", f"invalid containerPort: {word}", remedy="ports are 1 to 65535")
        ports.update(f"{port}/{protocol}" for port in range(first, last + 1))
    return tuple(sorted(ports))


def _command(config: ContainerConfig, instruction: Cmd | Entrypoint) -> tuple[str, ...]:
    if instruction.shell_form and instruction.command:
        return in_shell(config, instruction.command)
    return instruction.command


def _checked_signal(name: str) -> str:
    if name.isdecimal() and 0 < int(name) <= _LAST_SIGNAL:
        return name
    bare = name.upper().removeprefix("SIG")
    if f"SIG{bare}" in signal.Signals.__members__ or re.fullmatch(r"RTM(IN\+\d+|AX-\d+)", bare):
        return name
    raise InvalidInput("", f"invalid signal: {name}", remedy="write a name such as SIGTERM, or a number")
