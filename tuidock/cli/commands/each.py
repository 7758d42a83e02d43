"""Owns doing one thing to each of several named objects: every failure is told, none stops the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.errors import EngineError, NotFound
from tuidock.cli import diagnostics, output

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

_AT_ONCE = 50


async def each(
    names: Iterable[str], do: Callable[[str], Awaitable[object]], *, forgive_missing: bool = False
) -> int:
    """``await do(name)`` for all names at once, as Docker does: ten slow stops take as long as one.

    Prints the names in the order given, each when it is done; returns the exit code.
    """
    limit = asyncio.Semaphore(_AT_ONCE)

    async def limited(name: str) -> None:
        async with limit:
            await do(name)

    tasks = {name: asyncio.ensure_future(limited(name)) for name in dict.fromkeys(names)}
    code = 0
    try:
        for name, task in tasks.items():
            try:
                await task
            except NotFound as error:
                diagnostics.engine_error(error)
                code = code if forgive_missing else diagnostics.FAILED
            except EngineError as error:
                diagnostics.engine_error(error)
                code = diagnostics.FAILED
            else:
                output.line(name)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    return code
