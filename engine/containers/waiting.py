"""Owns ``wait``: for the end of this run, of the next one, or of the container itself.

Source: Docker Engine API, ContainerWait (condition). Refuses to end anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.containers.folding import current
from engine.containers.supervision import GONE, wait_end
from engine.errors import InvalidInput, NotFound, RuntimeFailure
from engine.options import EventFilter
from engine.runtime.dialing import attached

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.records import Container

CONDITIONS = ("not-running", "next-exit", "removed")


async def wait(parts: Parts, reference: str, condition: str = "") -> int:
    """The exit code, once ``condition`` (empty: not-running) holds."""
    if condition and condition not in CONDITIONS:
        raise InvalidInput(
            "", f'invalid condition: "{condition}"', remedy=f"conditions are {', '.join(CONDITIONS)}"
        )
    if condition in {"", "not-running"}:
        container = (await current(parts, reference)).container
        return await _this_run(parts, container) if container.state.running else container.state.exit_code
    container_id = parts.records.resolve(reference).container.id
    wanted = EventFilter(filters={"container": (container_id,), "event": ("die", "destroy")})
    events = parts.journal.read(wanted)  # from here on: what happens during the look below is not missed
    try:
        state = (await current(parts, container_id)).container.state
        code = state.exit_code
        async for event in events:
            code = int(event.attributes.get("exitCode", code))
            if event.action == "destroy" or condition == "next-exit":
                return code
    finally:
        await events.aclose()
    raise NotFound("container", reference)


async def _this_run(parts: Parts, container: Container) -> int:
    """The exit code of what runs now, or, in the pause between two runs, of the next one."""
    try:
        session = await attached(parts.paths.container_socket(container.id), {"op": "wait"})
    except GONE:
        return await _its_end(parts, container)
    try:
        code = await session.wait()
        return code if session.again else await _its_end(parts, container, code)
    except RuntimeFailure:
        return await _its_end(parts, container)
    finally:
        session.close()


async def _its_end(parts: Parts, container: Container, code: int | None = None) -> int:
    recorded = await wait_end(parts, container, None)
    return next((known for known in (code, recorded) if known is not None), 0)
