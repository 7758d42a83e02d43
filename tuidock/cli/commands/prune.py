"""Owns the prune verbs: they ask first, and say what went and how many bytes came back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from engine import loop
from engine.options import PruneOptions
from tuidock.cli import output
from tuidock.cli.command import CannotStart, Command, Invocation
from tuidock.cli.flags import Flag, many, switch
from tuidock.cli.specs import scalars
from tuidock.sizes import human_size

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Pruned

_FORCE = switch("force", "Do not prompt for confirmation", "f")


def _filter(example: str) -> Flag:
    return many(
        "filter", f"Provide filter values (e.g. {example})", kind="filter", convert=scalars.key_value_filter
    )


def _confirmed(invocation: Invocation, warning: str) -> bool:
    if invocation.switch("force"):
        return True
    output.text(f"WARNING! {warning}\nAre you sure you want to continue? [y/N] ")
    try:
        with loop.waiting():
            answer = sys.stdin.readline()
    except KeyboardInterrupt:
        output.line("")
        raise
    if not answer.endswith("\n"):
        output.line("")
    return answer.strip().lower() in {"y", "yes"}


def _report(title: str, pruned: Pruned) -> None:
    if pruned.removed:
        output.lines([f"Deleted {title}:", *pruned.removed, ""])


def _total(reclaimed: int) -> None:
    output.line(f"Total reclaimed space: {human_size(reclaimed, 4)}")


def _options(invocation: Invocation) -> PruneOptions:
    return PruneOptions(
        all=bool(invocation.values.get("all")),
        filters=invocation.filters() if "filter" in invocation.values else {},
    )


async def _containers(engine: Engine, invocation: Invocation) -> int:
    if not _confirmed(invocation, "This will remove all stopped containers."):
        return _declined()
    pruned = await engine.containers.prune(_options(invocation))
    _report("Containers", pruned)
    _total(pruned.reclaimed)
    return 0


async def _images(engine: Engine, invocation: Invocation) -> int:
    what = (
        "all images without at least one container associated to them"
        if invocation.switch("all")
        else "all dangling images"
    )
    if not _confirmed(invocation, f"This will remove {what}."):
        return _declined()
    pruned = await engine.images.prune(_options(invocation))
    _report("Images", pruned)
    _total(pruned.reclaimed)
    return 0


async def _volumes(engine: Engine, invocation: Invocation) -> int:
    which = "all local" if invocation.switch("all") else "anonymous local"
    if not _confirmed(invocation, f"This will remove {which} volumes not used by at least one container."):
        return _declined()
    pruned = await engine.volumes.prune(_options(invocation))
    _report("Volumes", pruned)
    _total(pruned.reclaimed)
    return 0


async def _networks(engine: Engine, invocation: Invocation) -> int:
    warning = "This will remove all custom networks not used by at least one container."
    if not _confirmed(invocation, warning):
        return _declined()
    _report("Networks", await engine.prune_networks(_options(invocation)))
    return 0


async def _builder(engine: Engine, invocation: Invocation) -> int:
    what = "all build cache" if invocation.switch("all") else "all dangling build cache"
    if not _confirmed(invocation, f"This will remove {what}."):
        return _declined()
    pruned = await engine.builds.prune(_options(invocation))
    _report("build cache objects", pruned)
    _total(pruned.reclaimed)
    return 0


def _check_system(invocation: Invocation) -> None:
    if invocation.switch("volumes") and "until" in invocation.filters():
        raise CannotStart('ERROR: The "until" filter is not supported with "--volumes"')


def _system_warning(invocation: Invocation) -> str:
    every = invocation.switch("all")
    doomed = ["all stopped containers", "all networks not used by at least one container"]
    if invocation.switch("volumes"):
        doomed.append("all anonymous volumes not used by at least one container")
    unused = "all images without at least one container associated to them"
    doomed += [unused, "all build cache"] if every else ["all dangling images", "unused build cache"]
    text = "This will remove:" + "".join(f"\n  - {what}" for what in doomed)
    chosen = sorted(f"{key}={value}" for key, values in invocation.filters().items() for value in values)
    if chosen:
        text += "\n\n  Items to be pruned will be filtered with:" + "".join(f"\n  - {one}" for one in chosen)
    return f"{text}\n"


async def _system(engine: Engine, invocation: Invocation) -> int:
    if not _confirmed(invocation, _system_warning(invocation)):
        return _declined()
    options = _options(invocation)
    steps = [("Containers", engine.containers.prune), ("Networks", engine.prune_networks)]
    if invocation.switch("volumes"):
        steps.append(("Volumes", engine.volumes.prune))
    if not {"label", "label!"} & options.filters.keys():  # steps of a build have no labels
        steps.append(("build cache objects", engine.builds.prune))
    steps.append(("Images", engine.images.prune))
    reclaimed = 0
    for title, prune in steps:
        pruned = await prune(options if title != "Volumes" else PruneOptions(filters=options.filters))
        _report(title, pruned)
        reclaimed += pruned.reclaimed
    _total(reclaimed)
    return 0


def _declined() -> int:
    """The user said no: nothing was done, and nothing failed."""
    return 0


CONTAINERS = Command(usage="[OPTIONS]", run=_containers, flags=(_filter('"until=<timestamp>"'), _FORCE))
IMAGES = Command(
    usage="[OPTIONS]",
    run=_images,
    flags=(
        switch("all", "Remove all unused images, not just dangling ones", "a"),
        _filter('"until=<timestamp>"'),
        _FORCE,
    ),
)
VOLUMES = Command(
    usage="[OPTIONS]",
    run=_volumes,
    flags=(
        switch("all", "Remove all unused volumes, not just anonymous ones", "a"),
        _filter('"label=<label>"'),
        _FORCE,
    ),
)
NETWORKS = Command(usage="[OPTIONS]", run=_networks, flags=(_filter('"until=<timestamp>"'), _FORCE))
BUILDER = Command(
    usage="[OPTIONS]",
    run=_builder,
    flags=(
        switch("all", "Remove all unused build cache, not just dangling ones", "a"),
        _filter('"until=24h"'),
        _FORCE,
    ),
)
SYSTEM = Command(
    usage="[OPTIONS]",
    run=_system,
    flags=(
        switch("all", "Remove all unused images not just dangling ones", "a"),
        _filter('"label=<key>=<value>"'),
        _FORCE,
        switch("volumes", "Prune anonymous volumes"),
    ),
    check=_check_system,
)
