"""Owns what a repeated flag shares: each of its values is parsed, the first that cannot be is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli.command import SpecError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def every(parse: Callable[[str], Any], values: Iterable[str]) -> tuple[Any, ...]:
    """``parse`` of each value; its ValueError becomes the SpecError that the command line prints."""
    try:
        return tuple(parse(value) for value in values)
    except ValueError as error:
        raise SpecError(str(error)) from None
