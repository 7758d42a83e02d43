"""Owns what the tables say of containers, images and jobs, pure; refuses I/O and clocks (``now`` is given).

Every text that comes from outside passes ``sanitize.label`` here.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tuidock.sanitize import label
from tuidock.sizes import human_size
from tuidock.widgets.columns import Column
from tuidock.widgets.row_table import Row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.records import Container, ContainerState, Image, Job, PortBinding

CONTAINER_COLUMNS = (
    Column("STATE", 12),
    Column("NAME", 16, maximum=40),
    Column("IMAGE", 13, 58, 48),
    Column("COMMAND", 18, 92, 60),
    Column("PORTS", 11, 54, 40),
    Column("AGE", 4, 46, 6, right=True),
)
IMAGE_COLUMNS = (
    Column("NAME", 22, maximum=60),
    Column("ID", 12, 56),
    Column("LAYERS", 6, 64, right=True),
    Column("SIZE", 8, 36, right=True),
    Column("AGE", 4, 46, right=True),
    Column("USED BY", 7, 74, right=True),
)
JOB_COLUMNS = (
    Column("STATE", 11),
    Column("JOB", 20, maximum=70),
    Column("VERB", 9, 56),
    Column("TOOK", 7, 40, right=True),
    Column("AGE", 4, 48, right=True),
)
_SECOND = 1_000_000_000
_UNITS = ((365 * 86400, "y"), (30 * 86400, "mo"), (86400, "d"), (3600, "h"), (60, "m"))
_STATES = {
    "running": ("●", "running"),
    "paused": ("‖", "paused"),
    "created": ("○", "created"),
    "restarting": ("↻", "restarting"),
    "removing": ("…", "restarting"),
    "dead": ("✗", "failed"),
}
_JOB_STATES = {
    "running": ("▶", "running"),
    "done": ("✓", "exited"),
    "failed": ("✗", "failed"),
    "cancelled": ("■", "paused"),
}


def age(since: int, now: int) -> str:
    """The time from ``since`` to ``now`` (ns) in at most four characters; steady below a minute."""
    seconds = max(0, now - since) // _SECOND
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return "now"


def seconds_text(seconds: float) -> str:
    """A duration as builds show it: ``0.3s``, ``75s``, ``12m04s``."""
    if seconds < 10:  # noqa: PLR2004 - one digit before the point
        return f"{seconds:.1f}s"
    if seconds < 100:  # noqa: PLR2004 - two digits
        return f"{seconds:.0f}s"
    return f"{int(seconds) // 60}m{int(seconds) % 60:02}s"


def state_text(state: ContainerState) -> tuple[str, str]:
    """A sign and a word for ``state``, and the name of its style."""
    if state.status == "exited":
        if state.exit_code:
            return (f"✗ {'oom' if state.oom_killed else 'exited'} {state.exit_code}", "failed")
        return ("○ exited", "exited")
    sign, style = _STATES.get(state.status, ("?", "muted"))
    if state.health is not None and state.status == "running" and state.health.status != "none":
        return (f"{sign} {state.health.status}", "failed" if state.health.status == "unhealthy" else style)
    return (f"{sign} {label(state.status)}", style)


def ports_text(ports: Iterable[PortBinding]) -> str:
    """Published ports, short: ``8080→80 53→53/udp``."""
    texts = []
    for port in ports:
        host = f"{port.host_ip}:" if port.host_ip not in {"", "0.0.0.0", "::"} else ""  # noqa: S104 - compared, not bound
        protocol = "" if port.protocol == "tcp" else f"/{port.protocol}"
        texts.append(f"{host}{port.host_port}→{port.container_port}{protocol}")
    return label(" ".join(dict.fromkeys(texts)))


def container_rows(containers: Iterable[Container], now: int) -> list[Row]:
    """Rows for the Containers tab: live ones first, each group newest first."""
    ordered = sorted(
        containers, key=lambda container: (not container.state.running, -container.created, container.id)
    )
    return [container_row(container, now) for container in ordered]


def container_row(container: Container, now: int) -> Row:
    """One container's row."""
    state, style = state_text(container.state)
    name, image = label(container.name), label(container.image)
    command = label(shlex.join(container.command_line))
    cells = (state, name, image, command, ports_text(container.ports), age(container.created, now))
    quiet = "" if container.state.running else "muted"
    styles = (style, quiet or "title", quiet, "muted", quiet, "muted")
    return Row(container.id, cells, styles, f"{name} {image} {command} {state} {container.id[:12]}")


def image_rows(images: Iterable[Image], now: int) -> list[Row]:
    """Rows for the Images tab, newest first."""
    return [image_row(image, now) for image in sorted(images, key=lambda image: (-image.created, image.id))]


def image_row(image: Image, now: int) -> Row:
    """One image's row; further names follow the first."""
    short = image.id.removeprefix("sha256:")[:12]
    name = label(", ".join(image.names)) or "<none>"
    used = str(image.containers) if image.containers else ""
    # hello-world and reproducible images carry no date: Docker's zero
    made = age(image.created, now) if image.created > 0 else "-"
    cells = (name, short, str(len(image.chain_ids)), human_size(image.size), made, used)
    return Row(image.id, cells, ("title", "muted", "", "", "muted", "running"), f"{name} {short}")


def job_rows(jobs: Iterable[Job], now: int) -> list[Row]:
    """Rows for the Builds tab, newest first."""
    return [job_row(job, now) for job in sorted(jobs, key=lambda job: (-job.started_at, job.id))]


def job_row(job: Job, now: int) -> Row:
    """One job's row."""
    sign, style = _JOB_STATES.get(job.status, ("?", "muted"))
    took = seconds_text(((job.finished_at or now) - job.started_at) / _SECOND)
    title = label(job.title)
    cells = (f"{sign} {job.status}", title, job.verb, took, age(job.started_at, now))
    return Row(job.id, cells, (style, "title", "muted", "", "muted"), f"{title} {job.verb} {job.status}")
