"""Owns carrying out a verb on the thing that was meant at the key press; refuses to guess again.

A ``Target`` remembers id, name and whether it ran when the key was pressed. If that is no longer so, the
verb raises ``Changed`` and nothing is done: a stop never becomes a start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.errors import Conflict, EngineError, NotFound
from engine.options import ImageFilter, RemoveContainerOptions, RemoveImageOptions
from tuidock.sanitize import label
from tuidock.words import counted

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Container, Image


class Changed(Exception):
    """The thing is not what it was at the key press; the text says what it is now."""


class Target(NamedTuple):
    """What an action was aimed at: ``kind`` is container, image or job."""

    kind: str
    id: str
    name: str
    running: bool = False


_DONE = {
    "stop": "stopped",
    "start": "started",
    "restart": "restarted",
    "remove": "removed",
    "cancel": "cancelled",
}


def done_text(verb: str) -> str:
    """``verb`` as something that was done: stop is stopped."""
    return _DONE[verb]


async def carry_out(engine: Engine, verb: str, target: Target) -> str:
    """Do ``verb`` (stop, start, restart, remove, cancel) to ``target``; what was done, in a few words."""
    try:
        if target.kind == "container":
            await _container(engine, verb, target)
        elif target.kind == "image":
            await _remove_image(engine, target)
        elif verb == "cancel":
            await engine.jobs.cancel(target.id)
        else:
            await engine.jobs.remove(target.id)
    except NotFound as error:
        if target.id not in {error.name, f"sha256:{error.name}"} and not target.id.startswith(error.name):
            raise
        gone = f"{target.name} is gone already"
        raise Changed(gone) from error
    return f"{target.name} {_DONE[verb]}"


async def _container(engine: Engine, verb: str, target: Target) -> None:
    now = await engine.containers.get(target.id)
    if now.state.running != target.running and verb != "restart":
        changed = f"{target.name} is {now.state.status} now: nothing was done"
        raise Changed(changed)
    if verb == "stop":
        await engine.containers.stop(target.id)
    elif verb == "start":
        await engine.containers.start(target.id)
    elif verb == "restart":
        await engine.containers.restart(target.id)
    else:
        await engine.containers.remove(target.id, RemoveContainerOptions(force=target.running))


async def _remove_image(engine: Engine, target: Target) -> None:
    """Every name goes, then the image with the last of them; an image in use stays whole."""
    image = await engine.images.get(target.id)
    if image.containers:
        raise Conflict(
            "image",
            target.name,
            f"{target.name} is used by {counted(image.containers, 'container')}: it stays",
            remedy="remove its containers first",
        )
    for name in image.names or (target.id,):
        await engine.images.remove(name, RemoveImageOptions())


async def preview(engine: Engine, targets: tuple[Target, ...]) -> tuple[str, ...]:
    """What a removal would take with it, a line a thing; read after the dialog has opened."""
    lines: list[str] = []
    going = {target.id for target in targets}
    shared: set[str] = set()
    if any(target.kind == "image" for target in targets):
        others = await engine.images.list(ImageFilter())
        shared = {chain_id for image in others if image.id not in going for chain_id in image.chain_ids}
    for target in targets:
        try:
            if target.kind == "container":
                lines.append(_container_preview(await engine.containers.get(target.id)))
            elif target.kind == "image":
                lines.append(_image_preview(await engine.images.get(target.id), shared))
        except EngineError as error:
            lines.append(label(str(error)))
    return tuple(lines)


def _container_preview(container: Container) -> str:
    volumes = [mount.name for mount in container.mounts if mount.type == "volume"]
    kept = f"; its volumes stay: {len(volumes)}" if volumes else ""
    fate = "runs and will be killed" if container.state.running else container.state.status
    return label(f"{container.name} ({container.image}): {fate}; what it wrote is lost{kept}")


def _image_preview(image: Image, shared: set[str]) -> str:
    names = label(", ".join(image.names) or "no name")
    if image.containers:
        return f"{names}: used by {counted(image.containers, 'container')}, so it will stay"
    own = sum(chain_id not in shared for chain_id in image.chain_ids)
    layers = (
        f"{counted(own, 'layer')} that no other image needs" if own else "no layer: other images need all"
    )
    return f"{names}: goes, with {layers}"
