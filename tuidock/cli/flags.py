"""Owns flags and how argv becomes their values, by pflag's rules; refuses to print, exit or know a verb.

Rules (spf13/pflag, flag.go): ``--name value``, ``--name=value``, ``-n value``, ``-nvalue``, ``-n=value``,
grouped switches (``-it``), ``--switch=false``, ``--`` ends the options. Where ``interspersed`` is false the
first positional argument ends them too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tuidock.cli.specs import scalars


class UsageError(Exception):
    """The command line cannot be understood; ``suggestion`` may name what was meant."""

    def __init__(self, message: str, *, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


class HelpWanted(Exception):
    """``--help`` stood among the options, or ``-h`` where no flag has taken that letter."""


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """One option; ``convert`` turns its text into a value or raises ValueError with Docker's reason."""

    name: str
    summary: str
    kind: str
    """The word that help shows for the value (string, list, bytes …); empty for a switch."""
    convert: Callable[[str], Any]
    short: str = ""
    default: Any = None
    repeated: bool = False
    aliases: tuple[str, ...] = ()
    """Other long names that are understood and not shown."""

    @property
    def is_switch(self) -> bool:
        return not self.kind

    @property
    def shown(self) -> str:
        """As error messages name it: ``-m, --memory``."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """Every flag's value, the names that were given, and the positional arguments."""

    values: dict[str, Any]
    given: frozenset[str]
    arguments: tuple[str, ...]


def switch(name: str, summary: str, short: str = "", *, default: bool = False) -> Flag:
    """An on/off flag: ``--rm`` or ``--rm=false``."""
    return Flag(name=name, summary=summary, kind="", convert=scalars.boolean, short=short, default=default)


def text(  # noqa: PLR0913 - the columns of the table
    name: str,
    summary: str,
    short: str = "",
    *,
    default: str = "",
    kind: str = "string",
    convert: Callable[[str], Any] = str,
    aliases: tuple[str, ...] = (),
) -> Flag:
    """A flag with one value; the last one given counts."""
    return Flag(
        name=name, summary=summary, kind=kind, convert=convert, short=short, default=default, aliases=aliases
    )


def many(
    name: str,
    summary: str,
    short: str = "",
    *,
    kind: str = "list",
    convert: Callable[[str], Any] = str,
    aliases: tuple[str, ...] = (),
) -> Flag:
    """A flag that may be given several times; its value is a tuple."""
    return Flag(
        name=name,
        summary=summary,
        kind=kind,
        convert=convert,
        short=short,
        default=(),
        repeated=True,
        aliases=aliases,
    )


def number(
    name: str,
    summary: str,
    short: str = "",
    *,
    default: int | None = None,
    aliases: tuple[str, ...] = (),
) -> Flag:
    """A flag with an integer value; the default None means not given and is not shown."""
    return Flag(
        name=name,
        summary=summary,
        kind="int",
        convert=scalars.integer,
        short=short,
        default=default,
        aliases=aliases,
    )


def parse(argv: list[str], flags: tuple[Flag, ...], *, interspersed: bool = True) -> Parsed:
    """The values of ``flags`` in ``argv``; UsageError with pflag's message where it makes none."""
    return _Parser(flags).parse(argv, interspersed=interspersed)


class _Parser:
    def __init__(self, flags: tuple[Flag, ...]) -> None:
        self._long = {name: flag for flag in flags for name in (flag.name, *flag.aliases)}
        self._short = {flag.short: flag for flag in flags if flag.short}
        self._values: dict[str, Any] = {flag.name: flag.default for flag in flags}
        self._given: set[str] = set()

    def parse(self, argv: list[str], *, interspersed: bool) -> Parsed:
        rest = list(argv)
        arguments: list[str] = []
        while rest:
            word = rest.pop(0)
            if word == "--":
                arguments += rest
                break
            if word.startswith("--"):
                self._take_long(word, rest)
            elif word.startswith("-") and word != "-":
                self._take_short(word[1:], rest)
            else:
                arguments.append(word)
                if not interspersed:
                    arguments += rest
                    break
        return Parsed(values=self._values, given=frozenset(self._given), arguments=tuple(arguments))

    def _take_long(self, word: str, rest: list[str]) -> None:
        name, equals, value = word[2:].partition("=")
        if not name or name.startswith("-"):
            raise UsageError(f"bad flag syntax: {word}")
        flag = self._long.get(name)
        if flag is None:
            if name == "help":
                raise HelpWanted
            raise UsageError(f"unknown flag: --{name}", suggestion=self._near(name))
        if equals:
            self._set(flag, value)
        elif flag.is_switch:
            self._set(flag, "true")
        elif rest:
            self._set(flag, rest.pop(0))
        else:
            raise UsageError(f"flag needs an argument: {word}")

    def _take_short(self, letters: str, rest: list[str]) -> None:
        while letters:
            flag = self._short.get(letters[0])
            if flag is None:
                if letters[0] == "h":
                    raise HelpWanted
                raise UsageError(
                    f"unknown shorthand flag: '{letters[0]}' in -{letters}", suggestion=self._near(letters)
                )
            following = letters[1:]
            if following.startswith("="):
                self._set(flag, following[1:])
                return
            if flag.is_switch:
                self._set(flag, "true")
                letters = following
            elif following:
                self._set(flag, following)
                return
            elif rest:
                self._set(flag, rest.pop(0))
                return
            else:
                raise UsageError(f"flag needs an argument: '{letters[0]}' in -{letters}")

    def _set(self, flag: Flag, value: str) -> None:
        try:
            converted = flag.convert(value)
        except ValueError as error:
            raise UsageError(f'invalid argument "{value}" for "{flag.shown}" flag: {error}') from None
        if flag.repeated:
            self._values[flag.name] += (converted,)
        else:
            self._values[flag.name] = converted
        self._given.add(flag.name)

    def _near(self, name: str) -> str:
        from tuidock.cli.suggestions import nearest

        found = nearest(name, self._long)
        return f"did you mean --{found}?" if found else ""
