"""Owns ``stats`` and ``top``: what containers use, and which processes they have.

Sources: docker/cli command/container/stats.go and formatter_stats.go, top.go.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.options import StatsOptions
from tuidock.cli import listing, output, tabwriter
from tuidock.cli.command import Command, Invocation
from tuidock.cli.flags import switch
from tuidock.cli.terminal import STDOUT
from tuidock.sizes import binary_size, human_size

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import ContainerStats

_SHORT_ID = 12
_TOP_MINIMUM = 20
_HOME, _END_OF_LINE, _REST, _CLEAR = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[2J"
LAYOUT = listing.Layout(
    titles={
        "BlockIO": "BLOCK I/O",
        "CPUPerc": "CPU %",
        "Container": "CONTAINER",
        "ID": "CONTAINER ID",
        "MemPerc": "MEM %",
        "MemUsage": "MEM USAGE / LIMIT",
        "Name": "NAME",
        "NetIO": "NET I/O",
        "PIDs": "PIDS",
    },
    columns=("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"),
    quiet="ID",
)


async def _stats(engine: Engine, invocation: Invocation) -> int:
    stream, names = not invocation.switch("no-stream"), invocation.arguments
    wanted = StatsOptions(containers=names, all=invocation.switch("all"), stream=stream)
    screen = stream and os.isatty(STDOUT)
    if screen:
        output.text(_CLEAR)
    async for found in engine.containers.stats(wanted):
        if names and not found:
            break  # all of them are gone
        rows = [row(stats, names, truncate=not invocation.switch("no-trunc")) for stats in found]
        text = listing.text_of(rows, LAYOUT, invocation.text("format"))
        output.text(_repainted(text) if screen else text)
    return 0


def row(stats: ContainerStats, names: tuple[str, ...], *, truncate: bool) -> listing.Row:
    """Docker's fields of one container; ``names`` are those that the user gave."""
    named = (name for name in names if stats.name == name.removeprefix("/") or stats.id.startswith(name))
    return {
        "BlockIO": f"{human_size(stats.block_read)} / {human_size(stats.block_written)}",
        "CPUPerc": f"{stats.cpu_percent:.2f}%",
        "Container": next(named, stats.id[:_SHORT_ID]),
        "ID": stats.id[:_SHORT_ID] if truncate else stats.id,
        "MemPerc": f"{stats.memory_percent:.2f}%",
        "MemUsage": f"{binary_size(stats.memory)} / {binary_size(stats.memory_limit)}",
        "Name": stats.name,
        "NetIO": f"{human_size(stats.network_received)} / {human_size(stats.network_sent)}",
        "PIDs": str(stats.pids),
    }


def _repainted(text: str) -> str:
    """``text`` over what stands on the terminal: each line to its end, and nothing below the last."""
    return _HOME + text.replace("\n", f"{_END_OF_LINE}\n") + _REST


async def _top(engine: Engine, invocation: Invocation) -> int:
    name, *arguments = invocation.arguments
    found = await engine.containers.top(name, tuple(arguments))
    output.text(tabwriter.table([found.titles, *found.rows], minimum=_TOP_MINIMUM))
    return 0


def _check_stats(invocation: Invocation) -> None:
    listing.check_format(invocation.text("format"))


STATS = Command(
    usage="[OPTIONS] [CONTAINER...]",
    run=_stats,
    flags=(
        switch("all", "Show all containers (default shows just running)", "a"),
        listing.format_flag(),
        switch("no-stream", "Disable streaming stats and only pull the first result"),
        switch("no-trunc", "Do not truncate output"),
    ),
    most=None,
    check=_check_stats,
)
TOP = Command(usage="CONTAINER [ps OPTIONS]", run=_top, fewest=1, most=None, interspersed=False)
