"""Owns ``container execs``: the exec sessions of a container, which Docker keeps but does not show."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tuidock.cli import listing
from tuidock.cli.command import Command, Invocation
from tuidock.cli.flags import switch
from tuidock.cli.units import ago

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Execution

_LAYOUT = listing.Layout(
    titles={
        "ID": "EXEC ID",
        "Command": "COMMAND",
        "Created": "CREATED",
        "Status": "STATUS",
        "TTY": "TTY",
        "Clients": "CLIENTS",
    },
    columns=("ID", "Command", "Created", "Status", "TTY", "Clients"),
    quiet="ID",
)
_COMMAND_WIDTH = 30


def row(session: Execution, now: int, *, truncate: bool) -> listing.Row:
    """The fields of one session; ``now`` in ns since the epoch."""
    command = " ".join(session.args)
    if truncate and len(command) > _COMMAND_WIDTH:
        command = f"{command[: _COMMAND_WIDTH - 1]}…"
    return {
        "ID": session.id[:12] if truncate else session.id,
        "Command": f'"{command}"',
        "Created": ago(session.started_at, now),
        "Status": "Running" if session.exit_code is None else f"Exited ({session.exit_code})",
        "TTY": str(session.tty).lower(),
        "Clients": str(session.clients),
    }


def _check(invocation: Invocation) -> None:
    listing.check_format(invocation.text("format"))


async def _list(engine: Engine, invocation: Invocation) -> int:
    sessions = await engine.containers.executions(invocation.arguments[0])
    if not invocation.switch("all"):
        sessions = tuple(session for session in sessions if session.exit_code is None)
    now, truncate = time.time_ns(), not invocation.switch("no-trunc")
    rows = [row(session, now, truncate=truncate) for session in reversed(sessions)]
    listing.show(rows, _LAYOUT, invocation.text("format"), quiet=invocation.switch("quiet"))
    return 0


LIST = Command(
    usage="[OPTIONS] CONTAINER",
    run=_list,
    flags=(
        switch("all", "Show all sessions (default shows just running)", "a"),
        listing.format_flag(),
        switch("no-trunc", "Don't truncate output"),
        switch("quiet", "Only display session IDs", "q"),
    ),
    fewest=1,
    most=1,
    check=_check,
)
