"""Owns doing one thing to each of several named objects: every failure is told, none stops the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import EngineError, NotFound
from tuidock.cli import diagnostics, output

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable


async def each(
    names: Iterable[str], do: Callable[[str], Awaitable[object]], *, forgive_missing: bool = False
) -> int:
    """``await do(name)`` for every name, printing the name when done; the exit code."""
    code = 0
    for name in names:
        try:
            await do(name)
        except NotFound as error:
            diagnostics.engine_error(error)
            code = code if forgive_missing else diagnostics.FAILED
        except EngineError as error:
            diagnostics.engine_error(error)
            code = diagnostics.FAILED
        else:
            output.line(name)
    return code
