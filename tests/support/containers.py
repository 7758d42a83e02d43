"""Owns the few lines that most tests of containers begin with: run a command, read all it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.options import AttachOptions, CreateOptions

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Container
    from engine.runtime.session import Session


def sh(script: str, **options: object) -> CreateOptions:
    """Options of a busybox container without a network that runs ``script``."""
    fields = {"image": "busybox", "command": ("sh", "-c", script), "network": "none", **options}
    return CreateOptions(**fields)  # type: ignore[arg-type]


async def everything(session: Session) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a session read to its end."""
    texts = {"stdout": b"", "stderr": b""}
    while (chunk := await session.read()) is not None:
        texts[chunk[0]] += chunk[1]
    return await session.wait(), texts["stdout"], texts["stderr"]


async def run(engine: Engine, options: CreateOptions) -> tuple[int, bytes, bytes]:
    """Create, start attached, and read to the end."""
    container = await engine.containers.create(options)
    return await everything(await engine.containers.start_attached(container.id, AttachOptions(stdin=False)))


async def started(engine: Engine, options: CreateOptions) -> Container:
    """A container that has been created and started."""
    container = await engine.containers.create(options)
    await engine.containers.start(container.id)
    return await engine.containers.get(container.id)
