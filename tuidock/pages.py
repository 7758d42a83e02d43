"""Owns what the detail pages say of a container or an image, pure; refuses I/O.

Every text from outside passes ``sanitize.label``; instants are shown in UTC, as the engine keeps them.
"""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tuidock.rows import ports_text, state_text
from tuidock.sanitize import label
from tuidock.sizes import human_size
from tuidock.widgets.facts_view import Fact
from tuidock.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.oci.config import ContainerConfig
    from engine.records import Container, HistoryEntry, Image

_SECOND = 1_000_000_000


def instant(nanoseconds: int) -> str:
    """An instant as ``2026-11-20 14:03:07``; ``never`` for 0."""
    if nanoseconds <= 0:
        return "never"
    return datetime.fromtimestamp(nanoseconds // _SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")


def container_config_page(container: Container) -> list[Fact]:
    """Environment, command, networks: what the container was made of and what became of it."""
    state, config = container.state, container.config
    shown, style = state_text(state)
    colour = {"running": "good", "failed": "bad"}.get(style, "")
    facts = [Fact("STATE", ""), Fact("state", shown, colour)]
    if state.running:
        facts.append(Fact("pid", str(state.pid)))
    if state.error:
        facts.append(Fact("error", label(state.error), "bad"))
    facts += [
        Fact("created", instant(container.created)),
        Fact("started", instant(state.started_at)),
        Fact("finished", instant(state.finished_at)),
    ]
    facts += [Fact("", ""), Fact("WHAT IT RUNS", ""), Fact("id", container.id[:12])]
    facts += [Fact("image", label(container.image)), Fact("image id", container.image_id[:19])]
    facts.append(Fact("command", label(shlex.join(container.command_line))))
    facts += _pairs(("user", config.user), ("folder", config.working_dir), ("hostname", config.hostname))
    facts += _environment(config)
    facts += [Fact("", ""), Fact("NETWORK", "")]
    for endpoint in container.endpoints:
        address = f"{endpoint.address}/{endpoint.prefix_length}" if endpoint.address else "no address"
        facts.append(Fact(label(endpoint.network), address))
    if not container.endpoints:
        facts.append(Fact("network", label(container.options.network)))
    facts += _pairs(("ports", ports_text(container.ports)))
    return facts + _labels(config.labels)


def container_mounts_page(container: Container) -> list[Fact]:
    """Where the container's folders come from."""
    if not container.mounts:
        return [Fact("MOUNTS", ""), Fact("", "none: all it writes is in its own layer", "plain")]
    facts: list[Fact] = []
    for mount in container.mounts:
        facts.append(Fact(label(mount.target), ""))
        kind = "anonymous volume" if mount.anonymous else mount.type
        facts += [Fact("type", f"{kind}{', read-only' if mount.read_only else ''}")]
        facts += _pairs(("volume", "" if mount.anonymous else mount.name), ("source", mount.source))
        facts.append(Fact("", ""))
    return facts


def image_page(image: Image, history: Iterable[HistoryEntry]) -> list[Fact]:
    """The image's names and config, and its layers with the instruction that made each."""
    config = image.config
    facts = [Fact("IMAGE", ""), Fact("id", image.id.removeprefix("sha256:")[:12])]
    facts += [Fact("name", label(name)) for name in image.names]
    facts += [
        Fact("size", human_size(image.size)),
        Fact("platform", label(f"{image.os}/{image.architecture}")),
    ]
    facts.append(
        Fact("used by", counted(image.containers, "container") if image.containers else "no container")
    )
    facts += [Fact("", ""), Fact("CONFIG", "")]
    facts += _pairs(
        ("entrypoint", shlex.join(config.entrypoint)),
        ("command", shlex.join(config.cmd)),
        ("user", config.user),
        ("folder", config.working_dir),
        ("ports", " ".join(config.exposed_ports)),
        ("volumes", " ".join(config.volumes)),
        ("stop signal", config.stop_signal),
    )
    facts += _environment(config)
    facts += [Fact("", ""), Fact("LAYERS, newest first", "")]
    facts += [
        Fact(
            human_size(entry.size) if entry.size else "-",
            label(entry.created_by or entry.comment) or "(not said)",
        )
        for entry in history
    ]
    return facts + _labels(image.labels or config.labels)


def document_page(document: dict[str, Any]) -> list[Fact]:
    """``inspect``'s JSON, a line a fact."""
    text = json.dumps(document, indent=2, ensure_ascii=False, default=str)
    return [Fact("", label(line), "plain") for line in text.split("\n")]


def _environment(config: ContainerConfig) -> list[Fact]:
    if not config.env:
        return []
    facts = [Fact("", ""), Fact("ENVIRONMENT", "")]
    for variable in config.env:
        name, _, value = variable.partition("=")
        facts.append(
            Fact(label(name, limit=200), label(value)) if value else Fact(label(name, limit=200), '""')
        )
    return facts


def _labels(labels: dict[str, str]) -> list[Fact]:
    if not labels:
        return []
    return [
        Fact("", ""),
        Fact("LABELS", ""),
        *(Fact("", label(f"{k}={v}"), "plain") for k, v in labels.items()),
    ]


def _pairs(*pairs: tuple[str, str]) -> list[Fact]:
    return [Fact(name, label(text)) for name, text in pairs if text]
