"""Owns what a verb is: its usage, flags, number of arguments and coroutine; refuses to know any verb."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from tuidock.cli.flags import Flag, UsageError

if TYPE_CHECKING:
    from engine.engine import Engine  # noqa: TC004 - help and usage errors must not wait for the engine

PROGRAM = "tuidock"


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """One parsed command line; the accessors give the values of flags by kind."""

    spelling: str
    """The verb as the user wrote it: ``container run``."""
    values: dict[str, Any]
    given: frozenset[str]
    arguments: tuple[str, ...]

    def switch(self, name: str) -> bool:
        return bool(self.values[name])

    def text(self, name: str) -> str:
        return str(self.values[name])

    def optional(self, name: str) -> str | None:
        """The text of a flag, or None where it was not given."""
        return str(self.values[name]) if name in self.given else None

    def filled(self, name: str) -> str | None:
        """The text of a flag, or None where it was not given or is empty (a script's unset variable)."""
        return self.optional(name) or None

    def number(self, name: str) -> int | None:
        value = self.values[name]
        return None if value is None else int(value)

    def many(self, name: str) -> tuple[str, ...]:
        return tuple(self.values[name])

    def flat(self, name: str) -> tuple[Any, ...]:
        """All values of a flag that may be repeated and has several each time."""
        return tuple(one for several in self.values[name] for one in several)

    def value(self, name: str) -> Any:
        """Whatever the flag's converter made."""
        return self.values[name]

    def filters(self, name: str = "filter") -> dict[str, tuple[str, ...]]:
        """The values of repeated ``--filter key=value``, by key."""
        collected: dict[str, tuple[str, ...]] = {}
        for key, value in self.values[name]:
            collected[key] = (*collected.get(key, ()), value)
        return collected


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One verb, whatever its spellings."""

    usage: str
    """What follows the verb in the usage line."""
    run: Callable[[Engine, Invocation], Awaitable[int]]
    flags: tuple[Flag, ...] = ()
    fewest: int = 0
    most: int | None = 0
    """None: any number of arguments."""
    interspersed: bool = True
    description: str = ""
    """The first line of the help page; empty: the summary of the table."""
    check: Callable[[Invocation], None] | None = None
    """What can be refused before the engine opens; raises UsageError or SpecError."""
    engine_error_code: int = 1
    """The exit code of an engine error: 125 for run, as Docker's."""


class SpecError(UsageError):
    """An option's value is wrong in itself (a port, a mount); exit code 125, as Docker's."""


class CannotStart(UsageError):
    """The command line is understood and cannot be carried out; exit code 1, no usage shown."""


def arity_problem(command: Command, count: int) -> str:
    """What is wrong with ``count`` arguments, in Docker's words; empty if nothing is."""
    fewest, most = command.fewest, command.most
    if count >= fewest and (most is None or count <= most):
        return ""
    if most == 0:
        return "accepts no arguments"
    if most is None:
        return f"requires at least {_arguments(fewest)}"
    if fewest == most:
        return f"requires {_arguments(fewest)}"
    if fewest == 0:
        return f"requires at most {_arguments(most)}"
    return f"requires at least {fewest} and at most {_arguments(most)}"


def _arguments(count: int) -> str:
    return f"{count} argument" if count == 1 else f"{count} arguments"
