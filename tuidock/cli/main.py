"""Owns the way from argv to an exit code: finds the verb, opens the engine, runs it; refuses verbs' logic."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import loop
from engine.errors import EngineError
from tuidock.cli import diagnostics, flags, output, spellings
from tuidock.cli.command import PROGRAM, Command, Invocation, arity_problem

if TYPE_CHECKING:
    from engine.paths import Paths

GLOBAL_FLAGS = (
    flags.switch("debug", "Show where an unexpected error came from", "D"),
    flags.text("root", "Folder of images, containers and volumes", default="/var/lib/tuidock"),
    flags.switch("version", "Print version information and quit", "v"),
)
_REGISTRY_VERBS = frozenset({"search"})
_NO_REGISTRY = "only Docker's own registry can be searched, by an interface of its own"


def main(argv: list[str], paths: Paths, spawner: int | None) -> int:
    """Run the command line ``argv`` (without the program's name and --root); returns the exit code."""
    try:
        return _main(argv, paths, spawner)
    except KeyboardInterrupt:
        return diagnostics.INTERRUPTED
    except BrokenPipeError:
        return diagnostics.PIPE_CLOSED
    except OSError as error:  # standard output of a verb that needs no engine, such as --help
        return diagnostics.unexpected(error)


def _main(argv: list[str], paths: Paths, spawner: int | None) -> int:
    for word in argv:
        if not word.isascii() and word.encode(errors="replace").decode() != word:
            return diagnostics.problem(f"argument {word!r} is not valid UTF-8", diagnostics.ENGINE_FAILED)
    try:
        parsed = flags.parse(argv, GLOBAL_FLAGS, interspersed=False)
    except flags.HelpWanted:
        return _help([])
    except flags.UsageError as error:
        return diagnostics.usage(error, "", None)
    if parsed.values["debug"]:
        os.environ["TUIDOCK_DEBUG"] = "1"
    if parsed.values["version"]:
        from tuidock.cli.commands.system import version_line

        output.line(version_line())
        return 0
    words = list(parsed.arguments)
    if not words or words[0] == "help":
        return _help(words[1:])
    return _verb(words, paths, spawner)


def _help(words: list[str]) -> int:
    from tuidock.cli import help as pages

    if not words:
        output.line(pages.top_page(GLOBAL_FLAGS))
        return 0
    spelling, _ = _split(words)
    verb = spellings.by_spelling().get(spelling)
    group = spellings.group(spelling)
    if verb is not None:
        output.line(pages.command_page(spelling, verb, _load(verb)))
    elif group is not None:
        output.line(pages.group_page(group))
    else:
        return diagnostics.problem(f"unknown help topic: {' '.join(words)}")
    return 0


def _verb(words: list[str], paths: Paths, spawner: int | None) -> int:
    spelling, rest = _split(words)
    verb = spellings.by_spelling().get(spelling)
    if verb is None:
        if spellings.group(spelling) and (not rest or rest[0] in {"--help", "-h"}):
            return _help([spelling])
        return _unknown(spelling, rest)
    command = _load(verb)
    shown = spellings.canonical(spelling, verb)
    try:
        invocation = _invocation(shown, rest, command)
        problem = arity_problem(command, len(invocation.arguments))
        if problem:
            return diagnostics.wrong_arity(problem, shown, command)
        if command.check is not None:
            command.check(invocation)
    except flags.HelpWanted:
        return _help(spelling.split())
    except flags.UsageError as error:
        return diagnostics.usage(error, shown, command)
    return _run(command, invocation, paths, spawner)


def _invocation(spelling: str, rest: list[str], command: Command) -> Invocation:
    parsed = flags.parse(rest, command.flags, interspersed=command.interspersed)
    return Invocation(spelling=spelling, values=parsed.values, given=parsed.given, arguments=parsed.arguments)


def _run(command: Command, invocation: Invocation, paths: Paths, spawner: int | None) -> int:
    try:
        return loop.run(_with_engine(command, invocation, paths, spawner))
    except EngineError as error:
        return diagnostics.engine_error(error, command)
    except flags.UsageError as error:
        return diagnostics.problem(error.message)
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - the last line of defence: one line, never a traceback
        return diagnostics.unexpected(error)


async def _with_engine(command: Command, invocation: Invocation, paths: Paths, spawner: int | None) -> int:
    from engine.engine import Engine

    engine = await Engine.open(paths, spawner, at_ease=False)
    try:
        return await command.run(engine, invocation)
    finally:
        await engine.close()


def _load(verb: spellings.Verb) -> Command:
    module = __import__(f"tuidock.cli.commands.{verb.module}", fromlist=[verb.attribute])
    command = getattr(module, verb.attribute)
    if not isinstance(command, Command):
        raise TypeError(f"{verb.module}.{verb.attribute} is no Command")
    return command


def _split(words: list[str]) -> tuple[str, list[str]]:
    """The verb's spelling (two words below a group) and the rest."""
    if spellings.group(words[0]) and len(words) > 1 and not words[1].startswith("-"):
        two = f"{words[0]} {words[1]}"
        if two in spellings.by_spelling():
            return two, words[2:]
    return words[0], words[1:]


def _unknown(spelling: str, rest: list[str]) -> int:
    from tuidock.cli.suggestions import nearest

    group = spelling if spellings.group(spelling) else ""
    words = f"{spelling} {rest[0]}" if group else spelling
    if words.rpartition(" ")[2] in _REGISTRY_VERBS:
        return diagnostics.unknown_command(words, group, _NO_REGISTRY)
    known = [name for name in spellings.by_spelling() if name.startswith(f"{group} ") or not group]
    known += [] if group else [found.name for found in spellings.GROUPS]
    found = nearest(words, known)
    hint = f"did you mean '{PROGRAM} {found}'?" if found else ""
    return diagnostics.unknown_command(words, group, hint)
