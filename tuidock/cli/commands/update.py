"""Owns ``update``: other limits, or another restart policy, for containers that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.options import Resources, UpdateOptions
from tuidock.cli import diagnostics, output
from tuidock.cli.command import CannotStart, Command, Invocation
from tuidock.cli.container_options import resources, supervision
from tuidock.cli.flags import text

if TYPE_CHECKING:
    from engine.engine import Engine


def _wanted(invocation: Invocation) -> UpdateOptions:
    restart = invocation.filled("restart")
    return UpdateOptions(
        resources=Resources(**resources.changeable(invocation)),
        pids_limit=invocation.number("pids-limit"),
        restart=None if restart is None else supervision.restart_policy(restart),
    )


async def _update(engine: Engine, invocation: Invocation) -> int:
    wanted, code = _wanted(invocation), 0
    warnings: dict[str, None] = {}
    for name in invocation.arguments:
        try:
            warnings.update(dict.fromkeys(await engine.containers.update(name, wanted)))
        except EngineError as error:
            diagnostics.engine_error(error)
            code = diagnostics.FAILED
        else:
            output.line(name)
    output.lines(list(warnings))
    return code


def _check(invocation: Invocation) -> None:
    if not invocation.given:
        raise CannotStart("you must provide one or more flags when using this command")
    _wanted(invocation)


UPDATE = Command(
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    run=_update,
    flags=tuple(
        sorted(
            (*resources.CHANGEABLE, text("restart", "Restart policy to apply when a container exits")),
            key=lambda flag: flag.name,
        )
    ),
    fewest=1,
    most=None,
    check=_check,
)
