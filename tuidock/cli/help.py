"""Owns the help pages, laid out as Docker's; refuses to print them.

Widths: options are wrapped at 80 columns or the terminal's width, in the manner of pflag's FlagUsagesWrapped.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tuidock.cli import spellings
from tuidock.cli.command import PROGRAM

if TYPE_CHECKING:
    from tuidock.cli.command import Command
    from tuidock.cli.flags import Flag

_WIDTH = 80
_LEAST_TEXT_WIDTH = 24
_SLOP = 5


def command_page(spelling: str, verb: spellings.Verb, command: Command) -> str:
    """The page of one verb."""
    shown = spellings.canonical(spelling, verb)
    parts = [f"Usage:  {PROGRAM} {shown} {command.usage}".rstrip(), command.description or verb.summary]
    if len(verb.spellings) > 1:
        parts.append("Aliases:\n  " + ", ".join(f"{PROGRAM} {name}" for name in verb.spellings))
    if command.flags:
        parts.append("Options:\n" + options(command.flags))
    return "\n\n".join(parts)


def group_page(group: spellings.Group) -> str:
    """The page of a group: its verbs."""
    rows = {
        verb.spellings[0].partition(" ")[2]: verb.summary
        for verb in spellings.VERBS
        if verb.spellings[0].startswith(f"{group.name} ")
    }
    rows |= {
        spelling.partition(" ")[2]: verb.summary
        for verb in spellings.VERBS
        for spelling in verb.spellings[1:]
        if spelling.startswith(f"{group.name} ") and not verb.spellings[0].startswith(f"{group.name} ")
    }
    return "\n\n".join(
        (
            f"Usage:  {PROGRAM} {group.name} COMMAND",
            group.summary,
            f"Commands:\n{_rows(dict(sorted(rows.items())))}",
            f"Run '{PROGRAM} {group.name} COMMAND --help' for more information on a command.",
        )
    )


def top_page(global_flags: tuple[Flag, ...]) -> str:
    """The page of the whole program."""
    top = {
        spelling: verb.summary
        for verb in spellings.VERBS
        for spelling in verb.spellings
        if " " not in spelling
    }
    groups = {group.name: group.summary for group in spellings.GROUPS}
    width = max(map(len, (*top, *groups)))
    common = {name: top.pop(name) for name in spellings.COMMON}
    return "\n\n".join(
        (
            f"Usage:  {PROGRAM} [OPTIONS] COMMAND",
            f"A container engine with a full-screen terminal: '{PROGRAM}' alone opens it",
            f"Common Commands:\n{_rows(common, width)}",
            f"Management Commands:\n{_rows(groups, width)}",
            f"Commands:\n{_rows(dict(sorted(top.items())), width)}",
            f"Global Options:\n{options(global_flags)}",
            f"Run '{PROGRAM} COMMAND --help' for more information on a command.",
        )
    )


def options(flags: tuple[Flag, ...], columns: int | None = None) -> str:
    """The option table: shorthand, name, kind, summary and default, sorted by name and wrapped."""
    heads = {flag.name: _head(flag) for flag in flags}
    indent = max(map(len, heads.values())) + 3
    width = (columns or _columns()) - 1 - indent
    lines = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        wrapped = _wrapped(_summary(flag), width)
        lines.append(heads[flag.name].ljust(indent) + wrapped[0])
        lines += [" " * indent + text for text in wrapped[1:]]
    return "\n".join(lines)


def _head(flag: Flag) -> str:
    short = f"  -{flag.short}, " if flag.short else "      "
    return f"{short}--{flag.name}" + (f" {flag.kind}" if flag.kind else "")


def _summary(flag: Flag) -> str:
    default = flag.default
    if default in (None, False, "", ()):
        return flag.summary
    if default is True:
        return f"{flag.summary} (default true)"
    return (
        f"{flag.summary} (default {default})"
        if isinstance(default, int)
        else f'{flag.summary} (default "{default}")'
    )


def _rows(rows: dict[str, str], width: int = 0) -> str:
    width = width or max(map(len, rows), default=0)
    return "\n".join(f"  {name.ljust(width)}  {summary}" for name, summary in rows.items())


def _columns() -> int:
    try:
        return os.get_terminal_size(1).columns or _WIDTH
    except OSError:
        return _WIDTH


def _wrapped(summary: str, width: int) -> list[str]:
    """Lines of at most ``width``, broken so that no short orphan stays for the last one (pflag's wrapN)."""
    if width < _LEAST_TEXT_WIDTH:
        return summary.split("\n")
    lines: list[str] = []
    rest = summary
    while len(rest) >= width:
        head = rest[: width - _SLOP]
        at = max(head.rfind(" "), head.rfind("\n"))
        if at <= 0:
            break
        newline = head.rfind("\n")
        at = newline if 0 < newline < at else at
        lines += rest[:at].split("\n")
        rest = rest[at + 1 :]
    return lines + rest.split("\n")
