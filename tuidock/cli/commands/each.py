"""Owns doing one thing to each of several named objects: every failure is told, none stops the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from engine import loop
from engine.errors import EngineError, NotFound
from tuidock.cli import diagnostics, output

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

Missing = Literal["fails", "told", "ignored"]
_AT_ONCE = 50


async def each(
    names: Iterable[str],
    do: Callable[[str], Awaitable[object]],
    *,
    missing: Missing = "fails",
    show_result: bool = False,
) -> int:
    """``await do(name)`` for all names at once, as Docker does: ten slow stops take as long as one.

    Prints the names, or what ``do`` gave, in the order given, each when it is done; returns the exit code.
    ``missing`` says what a name is that is not there: a failure, only worth telling, or nothing.
    A name that is there twice is done once; its result is shown twice.
    """
    given = tuple(names)
    distinct = tuple(dict.fromkeys(given))
    if len(given if show_result else distinct) == 1:
        # the usual case needs no tasks, and so perhaps no event loop
        return await _tell(distinct[0], do(distinct[0]), missing, show_result)
    await loop.begin()
    import asyncio

    limit = asyncio.Semaphore(_AT_ONCE)

    async def limited(name: str) -> object:
        async with limit:
            return await do(name)

    tasks = {name: asyncio.ensure_future(limited(name)) for name in distinct}
    code = 0
    try:
        for name in given if show_result else distinct:
            code = await _tell(name, tasks[name], missing, show_result) or code
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    return code


async def _tell(name: str, done: Awaitable[object], missing: Missing, show_result: bool) -> int:
    try:
        result = await done
    except NotFound as error:
        if missing != "ignored":
            diagnostics.engine_error(error)
        return diagnostics.FAILED if missing == "fails" else 0
    except EngineError as error:
        diagnostics.engine_error(error)
        return diagnostics.FAILED
    output.line(str(result) if show_result else name)
    return 0
