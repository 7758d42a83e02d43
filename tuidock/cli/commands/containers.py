"""Owns the verbs that show containers and make images of them: ps, port, commit."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import msgspec

from engine.options import CommitOptions, ContainerFilter
from tuidock.cli import container_rows, diagnostics, listing, output
from tuidock.cli.command import Command, Invocation
from tuidock.cli.flags import many, number, switch, text
from tuidock.cli.specs import scalars
from tuidock.cli.specs.ports import port_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.engine import Engine
    from engine.records import Container, PortBinding


def _check_list(invocation: Invocation) -> None:
    listing.check_format(invocation.text("format"))


async def _list(engine: Engine, invocation: Invocation) -> int:
    last = invocation.number("last")
    limit = 1 if invocation.switch("latest") else last if last is not None and last > 0 else None
    wanted = ContainerFilter(
        all=invocation.switch("all") or limit is not None, limit=limit, filters=invocation.filters()
    )
    containers = await engine.containers.list(wanted)
    now, truncate = time.time_ns(), not invocation.switch("no-trunc")
    source, layout = invocation.text("format"), container_rows.LAYOUT
    sizes: dict[str, str] = {}
    if invocation.switch("size"):
        layout = msgspec.structs.replace(layout, columns=(*layout.columns, "Size"))
    if invocation.switch("size") or ".Size" in source:
        sizes = await _sizes(engine, containers)
    rows = [
        container_rows.row(container, now, truncate=truncate, size=sizes.get(container.id, ""))
        for container in containers
    ]
    if invocation.switch("quiet") and source:
        diagnostics.warn("Ignoring custom format, because both --format and --quiet are set.")
        source = ""
    listing.show(rows, layout, source, quiet=invocation.switch("quiet"))
    return 0


async def _sizes(engine: Engine, containers: Sequence[Container]) -> dict[str, str]:
    """``12B (virtual 1.98MB)``: what each wrote, and that with its image."""
    from engine.options import ImageFilter
    from tuidock.sizes import human_size

    written = await engine.container_sizes([container.id for container in containers])
    images = {image.id: image.size for image in await engine.images.list(ImageFilter(all=True))}
    return {
        container.id: f"{human_size(size)} (virtual {human_size(size + images.get(container.image_id, 0))})"
        for container, size in zip(containers, written, strict=True)
    }


async def _port(engine: Engine, invocation: Invocation) -> int:
    name, *wanted = invocation.arguments
    container = await engine.containers.get(name)
    bound = [port for port in container.ports if port.host_port]
    if not (wanted and wanted[0]):
        lines = [f"{port.container_port}/{port.protocol} -> {_address(port)}" for port in bound]
        output.lines(sorted(lines, key=_natural))
        return 0
    private, _, protocol = wanted[0].partition("/")
    try:
        number = port_number(private)
    except ValueError as error:
        return diagnostics.problem(f"invalid port ({private}): {error}")
    found = [port for port in bound if (port.container_port, port.protocol) == (number, protocol or "tcp")]
    if not found:
        return diagnostics.problem(f"No public port '{wanted[0]}' published for {name}")
    output.lines(sorted(map(_address, found), key=_natural))
    return 0


def _natural(line: str) -> list[tuple[int, str]]:
    """Numbers count as numbers: 80 before 443, which are words of one text."""
    return [(int(word), "") if word.isdigit() else (-1, word) for word in re.split(r"(\d+)", line)]


def _address(port: PortBinding) -> str:
    return container_rows.join_host_port(port.host_ip or "0.0.0.0", str(port.host_port))  # noqa: S104 - shown


async def _diff(engine: Engine, invocation: Invocation) -> int:
    changes = await engine.containers.diff(invocation.arguments[0])
    output.lines([f"{change.kind} {change.path}" for change in changes])
    return 0


async def _commit(engine: Engine, invocation: Invocation) -> int:
    name, *reference = invocation.arguments
    image = await engine.containers.commit(
        name,
        CommitOptions(
            reference=reference[0] if reference else None,
            author=invocation.text("author"),
            message=invocation.text("message"),
            pause=invocation.switch("pause"),
            changes=invocation.many("change"),
        ),
    )
    output.line(image.id)
    return 0


LIST = Command(
    usage="[OPTIONS]",
    run=_list,
    flags=(
        switch("all", "Show all containers (default shows just running)", "a"),
        many(
            "filter",
            "Filter output based on conditions provided",
            "f",
            kind="filter",
            convert=scalars.key_value_filter,
        ),
        listing.format_flag(),
        number("last", "Show n last created containers (includes all states)", "n", default=-1),
        switch("latest", "Show the latest created container (includes all states)", "l"),
        switch("no-trunc", "Don't truncate output"),
        switch("quiet", "Only display container IDs", "q"),
        switch("size", "Display total file sizes", "s"),
    ),
    check=_check_list,
)
PORT = Command(usage="CONTAINER [PRIVATE_PORT[/PROTO]]", run=_port, fewest=1, most=2)
DIFF = Command(usage="CONTAINER", run=_diff, fewest=1, most=1)
COMMIT = Command(
    usage="[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    run=_commit,
    flags=(
        text("author", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', "a"),
        many("change", "Apply Dockerfile instruction to the created image", "c"),
        text("message", "Commit message", "m"),
        switch("pause", "Pause container during commit", "p", default=True),
    ),
    fewest=1,
    most=2,
)
