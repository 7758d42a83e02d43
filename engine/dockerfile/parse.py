"""Owns nodes → typed instructions and stages, with BuildKit's refusals in its words; refuses expansion.

``parse_dockerfile`` is the room's front door; ``parse_instruction`` reads ONBUILD triggers and ``--change``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from engine.dockerfile.duration import parse_duration
from engine.dockerfile.flags import Flags
from engine.dockerfile.instructions import (
    Arg,
    ArgDefault,
    Cmd,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stage,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from engine.dockerfile.lines import Source, parse_heredoc, read_source
from engine.dockerfile.nodes import Node, takes_heredocs, to_node
from engine.dockerfile.suggest import nearest
from engine.errors import DockerfileSyntaxError, InvalidInput
from engine.oci.config import HealthCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.dockerfile.lines import Line

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*\Z")
_ONBUILD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE)
_MINIMUM_INTERVAL = 1_000_000


def parse_dockerfile(text: str, path: str = "Dockerfile") -> Dockerfile:
    """Parse a whole Dockerfile; DockerfileSyntaxError names ``path``, the line and the source."""
    source = read_source(text, path, takes_heredocs)
    nodes = tuple(_node(source, line) for line in source.lines)
    arguments: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for node in nodes:
        instruction = _instruction(source, node)
        if isinstance(instruction, From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            arguments.append(instruction)
        else:
            raise source.error(
                "no build stage in current context",
                node.start,
                remedy="begin with FROM; only ARG may precede it",
            )
    if not stages:
        last = nodes[-1]
        raise source.error("no build stage in current context", last.start, remedy="add a FROM instruction")
    return Dockerfile(
        path=path,
        escape=source.escape,
        syntax=source.syntax,
        check=source.check,
        arguments=tuple(arguments),
        stages=tuple(Stage(base=base, instructions=tuple(rest)) for base, rest in stages),
        text_lines=source.text_lines,
    )


def parse_nodes(text: str, path: str = "Dockerfile") -> tuple[Source, tuple[Node, ...]]:
    """The parse tree alone, before any instruction is given meaning."""
    source = read_source(text, path, takes_heredocs)
    return source, tuple(_node(source, line) for line in source.lines)


def parse_instruction(text: str, path: str, line: int = 0) -> Instruction:
    """One instruction by itself: an ONBUILD trigger of an image, or a ``--change`` of commit and import."""
    source = read_source(text, path, takes_heredocs)
    if len(source.lines) != 1:
        raise InvalidInput(path, f"one instruction is expected: {text!r}")
    instruction = _instruction(source, _node(source, source.lines[0]))
    return msgspec.structs.replace(instruction, line=line, end=line)


def _node(source: Source, line: Line) -> Node:
    try:
        return to_node(line, source.escape)
    except InvalidInput as error:
        raise source.error(error.reason, line.start, remedy=error.remedy) from error


def _instruction(source: Source, node: Node) -> Instruction:
    try:
        return to_instruction(node)
    except DockerfileSyntaxError:
        raise
    except InvalidInput as error:
        span_of = node.original.split(maxsplit=1)[0] if error.reason.startswith("unknown instruction") else ""
        raise source.error(error.reason, node.start, span_of=span_of, remedy=error.remedy) from error


def to_instruction(node: Node) -> Instruction:
    """``node`` as a typed instruction; InvalidInput says what is wrong, in BuildKit's words."""
    build = _BUILDERS.get(node.instruction)
    if build is None:
        written = node.original.split(maxsplit=1)[0]
        near = nearest(written, _BUILDERS)
        hint = f" (did you mean {near.upper()}?)" if near else ""
        raise InvalidInput("", f"unknown instruction: {written}{hint}")
    flags = Flags(node.flags)
    instruction = build(node, flags)
    flags.finish()
    return instruction


def _place(node: Node) -> dict[str, Any]:
    return {"original": node.original.strip(), "line": node.start, "end": node.end}


def _from(node: Node, flags: Flags) -> From:
    words = node.arguments
    stage = ""
    if len(words) == 3 and words[1].lower() == "as":  # noqa: PLR2004
        stage = words[2].lower()
        if not _STAGE_NAME.match(stage):
            reason = "name can't start with a number or contain symbols"
            raise InvalidInput("", f'invalid name for build stage: "{words[2]}", {reason}')
    elif len(words) != 1:
        raise InvalidInput("", "FROM requires either one or three arguments")
    return From(**_place(node), base=words[0], stage=stage, platform=flags.string("platform"))


def _run(node: Node, flags: Flags) -> Run:
    return Run(
        **_place(node),
        command=node.arguments,
        shell_form=not node.json,
        mounts=flags.strings("mount"),
        network=flags.string("network"),
        security=flags.string("security"),
        heredocs=node.heredocs,
    )


def _cmd(node: Node, _flags: Flags) -> Cmd:
    return Cmd(**_place(node), command=node.arguments, shell_form=not node.json)


def _entrypoint(node: Node, _flags: Flags) -> Entrypoint:
    return Entrypoint(**_place(node), command=node.arguments, shell_form=not node.json)


def _check_pairs(node: Node) -> None:
    _at_least_one(node, node.pairs)
    if any(not pair.name for pair in node.pairs):
        raise InvalidInput("", f"{node.instruction} names can not be blank")


def _env(node: Node, _flags: Flags) -> Env:
    _check_pairs(node)
    return Env(**_place(node), pairs=node.pairs)


def _label(node: Node, _flags: Flags) -> Label:
    _check_pairs(node)
    return Label(**_place(node), pairs=node.pairs)


def _arg(node: Node, _flags: Flags) -> Arg:
    _at_least_one(node, node.arguments)
    arguments: list[ArgDefault] = []
    for word in node.arguments:
        name, separator, value = word.partition("=")
        if not name:
            raise InvalidInput("", "ARG names can not be blank")
        arguments.append(ArgDefault(name, value if separator else None))
    return Arg(**_place(node), arguments=tuple(arguments))


def _copy(node: Node, flags: Flags) -> Copy:
    is_add = node.instruction == "ADD"
    if len(node.arguments) < 2:  # noqa: PLR2004
        raise InvalidInput(
            "",
            f"{node.instruction} requires at least two arguments, but only one was provided. "
            "Destination could not be determined",
        )
    *sources, destination = node.arguments
    bodies = {heredoc.name: heredoc for heredoc in node.heredocs}
    if not node.json and parse_heredoc(destination):
        raise InvalidInput("", f"{node.instruction} cannot accept a heredoc as a destination")
    opened = {source: heredoc for source in sources if not node.json and (heredoc := parse_heredoc(source))}
    if any(heredoc.name not in bodies for heredoc in opened.values()):
        raise InvalidInput("", "a quote in this line is never closed, so its heredoc cannot be read")
    return Copy(
        **_place(node),
        is_add=is_add,
        sources=tuple(source for source in sources if source not in opened),
        destination=destination,
        contents=tuple(bodies[heredoc.name] for heredoc in opened.values()),
        source_stage="" if is_add else flags.string("from"),
        chown=flags.string("chown"),
        chmod=flags.string("chmod"),
        link=bool(flags.boolean("link")),
        parents=False if is_add else bool(flags.boolean("parents")),
        exclude=flags.strings("exclude"),
        checksum=flags.string("checksum") if is_add else "",
        keep_git_dir=flags.boolean("keep-git-dir") if is_add else None,
        unpack=flags.boolean("unpack") if is_add else None,
    )


def _workdir(node: Node, _flags: Flags) -> Workdir:
    return Workdir(**_place(node), path=_exactly_one(node))


def _user(node: Node, _flags: Flags) -> User:
    return User(**_place(node), user=_exactly_one(node))


def _stop_signal(node: Node, _flags: Flags) -> StopSignal:
    return StopSignal(**_place(node), signal=_exactly_one(node))


def _maintainer(node: Node, _flags: Flags) -> Maintainer:
    return Maintainer(**_place(node), name=_exactly_one(node))


def _volume(node: Node, _flags: Flags) -> Volume:
    _at_least_one(node, node.arguments)
    paths = tuple(path.strip() for path in node.arguments)
    if "" in paths:
        raise InvalidInput("", "VOLUME specified can not be an empty string")
    return Volume(**_place(node), paths=paths)


def _expose(node: Node, _flags: Flags) -> Expose:
    _at_least_one(node, node.arguments)
    return Expose(**_place(node), ports=tuple(sorted(node.arguments)))


def _shell(node: Node, _flags: Flags) -> Shell:
    _at_least_one(node, node.arguments)
    if not node.json:
        raise InvalidInput(
            "", "SHELL requires the arguments to be in JSON form", remedy='write SHELL ["/bin/bash", "-c"]'
        )
    return Shell(**_place(node), command=node.arguments)


def _healthcheck(node: Node, flags: Flags) -> Healthcheck:
    _at_least_one(node, node.arguments)
    kind, arguments = node.arguments[0].upper(), node.arguments[1:]
    if kind == "NONE":
        if arguments:
            raise InvalidInput("", "HEALTHCHECK NONE takes no arguments")
        return Healthcheck(**_place(node), health=HealthCheck(test=("NONE",)))
    retries = flags.string("retries")
    intervals = {
        name.replace("-", "_"): _interval(name, flags.string(name))
        for name in ("interval", "timeout", "start-period", "start-interval")
    }
    if kind != "CMD":
        raise InvalidInput("", f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
    if not arguments:
        raise InvalidInput("", "Missing command after HEALTHCHECK CMD")
    if retries and not re.fullmatch(r"[+-]?\d+", retries):
        raise InvalidInput("", f'--retries "{retries}" is not a whole number')
    if retries and int(retries) < 0:
        raise InvalidInput("", f"--retries cannot be negative ({int(retries)})")
    test = ("CMD" if node.json else "CMD-SHELL", *arguments)
    health = HealthCheck(test=test, retries=int(retries or 0), **intervals)
    return Healthcheck(**_place(node), health=health)


def _interval(name: str, text: str) -> int:
    duration = parse_duration(text) if text else 0
    if duration and duration < _MINIMUM_INTERVAL:
        raise InvalidInput("", f'Interval "{name}" cannot be less than 1ms')
    return duration


def _onbuild(node: Node, _flags: Flags) -> Onbuild:
    if node.trigger is None:
        raise InvalidInput("", "ONBUILD requires at least one argument")
    name = node.trigger.instruction
    if name == "ONBUILD":
        raise InvalidInput("", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if name in {"MAINTAINER", "FROM"}:
        raise InvalidInput("", f"{name} isn't allowed as an ONBUILD trigger")
    expression = _ONBUILD.sub("", node.original, count=1)
    for heredoc in node.heredocs:
        expression += f"\n{heredoc.content}{heredoc.name}"
    return Onbuild(**_place(node), expression=expression)


def _at_least_one(node: Node, arguments: tuple[object, ...]) -> None:
    if not arguments:
        raise InvalidInput("", f"{node.instruction} requires at least one argument")


def _exactly_one(node: Node) -> str:
    if len(node.arguments) != 1:
        raise InvalidInput("", f"{node.instruction} requires exactly one argument")
    return node.arguments[0]


_BUILDERS: dict[str, Callable[[Node, Flags], Instruction]] = {
    "ADD": _copy,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
