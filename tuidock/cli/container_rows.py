"""Owns how a container looks in lists: status, ports, command, ages in Docker's words; refuses I/O.

Source: docker/cli command/formatter/container.go; moby container/state.go (String).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli.gotemplate.printing import quoted
from tuidock.cli.listing import Layout, label_title, shortened
from tuidock.cli.units import ago, human_duration, local_time

if TYPE_CHECKING:
    from engine.records import Container, ContainerState

_SHORT_ID = 12
_COMMAND_WIDTH = 20
_MOUNT_WIDTH = 15

LAYOUT = Layout(
    titles={
        "ID": "CONTAINER ID",
        "Image": "IMAGE",
        "Command": "COMMAND",
        "CreatedAt": "CREATED AT",
        "RunningFor": "CREATED",
        "Ports": "PORTS",
        "State": "STATE",
        "Status": "STATUS",
        "Names": "NAMES",
        "Labels": "LABELS",
        "Mounts": "MOUNTS",
        "LocalVolumes": "LOCAL VOLUMES",
        "Networks": "NETWORKS",
        "Size": "SIZE",
        "Label": label_title,
    },
    columns=("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"),
    quiet="ID",
)


def row(container: Container, now: int, *, truncate: bool, size: str = "") -> dict[str, Any]:
    """The fields of one container, under Docker's names; ``size`` as it is shown, if it was measured."""
    program, *words = container.command_line or ("",)
    command = " ".join([program, *(f"'{word}'" if " " in word else word for word in words)])
    mounts = [mount.name or mount.source for mount in container.mounts if mount.source or mount.name]
    if truncate:
        command = shortened(command, _COMMAND_WIDTH)
        mounts = [shortened(mount, _MOUNT_WIDTH) for mount in mounts]
    labels = container.config.labels
    return {
        "ID": container.id[:_SHORT_ID] if truncate else container.id,
        "Image": _image(container, truncate=truncate),
        "Command": quoted(command),
        "CreatedAt": local_time(container.created),
        "RunningFor": ago(container.created, now),
        "Ports": ports(container),
        "State": container.state.status,
        "Status": status(container.state, now),
        "Names": container.name,
        "Labels": ",".join(f"{name}={value}" for name, value in labels.items()),
        "Mounts": ",".join(mounts),
        "LocalVolumes": str(sum(mount.type == "volume" for mount in container.mounts)),
        "Networks": ",".join(container.networks),
        "Size": size,
        "Label": lambda name: labels.get(name, ""),
    }


def status(state: ContainerState, now: int) -> str:
    """``Up 2 minutes (healthy)``, ``Exited (0) 3 seconds ago``, ``Created``."""
    up = f"Up {human_duration(now - state.started_at)}"
    if state.status == "paused":
        return f"{up} (Paused)"
    if state.status == "running":
        health = state.health.status if state.health else "none"
        shown = {"none": "", "starting": " (health: starting)"}.get(health, f" ({health})")
        return up + shown
    if state.status == "restarting":
        return f"Restarting ({state.exit_code}) {ago(state.finished_at, now)}"
    if state.status == "exited":
        return f"Exited ({state.exit_code}) {ago(state.finished_at, now)}"
    return {"removing": "Removal In Progress", "dead": "Dead"}.get(state.status, "Created")


def ports(container: Container) -> str:
    """``0.0.0.0:8080->80/tcp``; equal ports that follow each other are joined: ``80-82/tcp``."""
    groups: dict[str, tuple[int, int]] = {}
    grouped: list[str] = []
    mapped: list[str] = []
    for private, host_ip, public, protocol in sorted(_ports(container)):
        if host_ip and public != private:
            mapped.append(f"{join_host_port(host_ip, str(public))}->{private}/{protocol}")
            continue
        key = f"{host_ip}/{protocol}"
        first, last = groups.get(key, (private, private - 1))
        if private == last + 1:
            groups[key] = first, private
        else:
            grouped.append(_group(key, first, last))
            groups[key] = private, private
    grouped += [_group(key, first, last) for key, (first, last) in groups.items()]
    return ", ".join((*grouped, *mapped))


def join_host_port(host: str, port: str) -> str:
    """``0.0.0.0:80`` or ``[::1]:80``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _image(container: Container, *, truncate: bool) -> str:
    if container.image.startswith("sha256:") and truncate:
        return container.image.removeprefix("sha256:")[:_SHORT_ID]
    return container.image


def _ports(container: Container) -> set[tuple[int, str, int, str]]:
    """(container port, host address or "", host port, protocol) of published and exposed ports."""
    if not container.state.running:
        return set()
    found = {
        (port.container_port, port.host_ip or "0.0.0.0", port.host_port, port.protocol)  # noqa: S104 - shown
        for port in container.ports
        if port.host_port
    }
    published = {(port, protocol) for port, _, _, protocol in found}
    for exposed in container.config.exposed_ports:
        number, _, protocol = exposed.partition("/")
        if number.isdigit() and (int(number), protocol or "tcp") not in published:
            found.add((int(number), "", 0, protocol or "tcp"))
    return found


def _group(key: str, first: int, last: int) -> str:
    host_ip, _, protocol = key.rpartition("/")
    span = str(first) if first == last else f"{first}-{last}"
    return f"{join_host_port(host_ip, span)}->{span}/{protocol}" if host_ip else f"{span}/{protocol}"
