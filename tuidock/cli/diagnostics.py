"""Owns standard error and exit codes: it is the only writer of it; refuses to decide what a verb does.

Exit codes are Docker's: 125 the engine or the command line, 126 not executable, 127 not found, 128+n died
of signal n, 130 interrupted; 1 for a plain verb that failed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.errors import (
    BuildFailed,
    CommandNotExecutable,
    CommandNotFound,
    DockerfileSyntaxError,
    EngineError,
    OutputFailed,
)
from engine.events import Warned
from tuidock.cli.command import PROGRAM, CannotStart, SpecError

if TYPE_CHECKING:
    from engine.events import ProgressFact
    from tuidock.cli.command import Command
    from tuidock.cli.flags import UsageError

STDERR = 2
FAILED, ENGINE_FAILED, NOT_EXECUTABLE, NOT_FOUND = 1, 125, 126, 127
INTERRUPTED, PIPE_CLOSED = 130, 141
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_SPELLED = {code: f"\\x{code:02x}" for code in _CONTROLS if chr(code) not in "\n\t"}


def write(content: bytes) -> None:
    """All of ``content``; silent if nobody reads standard error any more."""
    view = memoryview(content)
    try:
        while view:
            view = view[os.write(STDERR, view) :]
    except OSError:
        return


def line(content: str) -> None:
    """``content`` and a newline."""
    write(f"{content}\n".encode(errors="surrogateescape"))


def _visible(text: str) -> str:
    """``text`` with control characters spelled out: a container may have put them into a file's name."""
    if text.isprintable():
        return text
    return text.translate(_SPELLED)


def warn(content: str) -> None:
    """One line that does not change the exit code."""
    line(f"WARNING: {content}")


def tell_warning(fact: ProgressFact) -> None:
    """As ``warn``, if the engine warns; what else it tells is not shown."""
    if isinstance(fact, Warned):
        warn(fact.text)


def usage(error: UsageError, spelling: str, command: Command | None) -> int:
    """Explain a command line that cannot be understood, as Docker does; the exit code is 125."""
    verb = f"{PROGRAM} {spelling}".strip()
    if isinstance(error, CannotStart):
        return problem(error.message)
    if isinstance(error, SpecError):
        line(f"{PROGRAM}: {error.message}\n\nRun '{verb} --help' for more information")
        return ENGINE_FAILED
    line(error.message)
    if error.suggestion:
        line(f"hint: {error.suggestion}")
    what = command.usage if command else "[OPTIONS] COMMAND [ARG...]"
    line(f"\nUsage:  {verb} {what}\n\nRun '{verb} --help' for more information")
    return ENGINE_FAILED


def wrong_arity(problem: str, spelling: str, command: Command) -> int:
    """Explain a wrong number of arguments; the exit code is 1."""
    verb = f"{PROGRAM} {spelling}"
    line(f"{PROGRAM}: '{verb}' {problem}\n\nUsage:  {verb} {command.usage}\n")
    line(f"See '{verb} --help' for more information")
    return FAILED


def unknown_command(words: str, group: str, hint: str) -> int:
    """Explain that there is no such verb; the exit code is 1."""
    line(f"{PROGRAM}: unknown command: {PROGRAM} {words}")
    if hint:
        line(f"hint: {hint}")
    if group:
        line(f"\nUsage:  {PROGRAM} {group} COMMAND")
    line(f"\nRun '{f'{PROGRAM} {group}'.strip()} --help' for more information")
    return FAILED


def problem(message: str, code: int = FAILED) -> int:
    """One plain message of a verb; returns ``code``."""
    line(f"{PROGRAM}: {_visible(message)}")
    return code


def engine_error(error: EngineError, command: Command | None = None) -> int:
    """Explain ``error`` with its remedy; returns the exit code for ``command``."""
    if isinstance(error, OutputFailed) and error.closed:
        return PIPE_CLOSED  # as who is ended by SIGPIPE: silently
    line(f"{PROGRAM}: {_visible(str(error))}")
    if isinstance(error, DockerfileSyntaxError) and error.source:
        line(error.caret())
    if error.remedy:
        line(f"hint: {_visible(error.remedy)}")
    if isinstance(error, CommandNotFound):
        return NOT_FOUND
    if isinstance(error, CommandNotExecutable):
        return NOT_EXECUTABLE
    return command.engine_error_code if command else FAILED


def failed_build(error: BuildFailed, dockerfile: str | None) -> int:
    """The failed step's last output and place, as BuildKit shows them, then the error itself.

    ``dockerfile`` is where the error's path can be read, None where it cannot.
    """
    if error.output:
        line("------")
        line(f" > {error.instruction}:")
        for text in error.output:
            line(text.rstrip("\r\n"))
        line("------")
    for text in _source_lines(dockerfile, error.line) if dockerfile else ():
        line(text)
    return engine_error(error)


def unexpected(error: BaseException) -> int:
    """Explain a failure that the engine did not: one line, or everything with TUIDOCK_DEBUG=1."""
    if os.environ.get("TUIDOCK_DEBUG"):
        import traceback

        line("".join(traceback.format_exception(error)).rstrip())
        return ENGINE_FAILED
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        return problem(f"{where}{error.strerror}")
    summary = str(error).partition("\n")[0]
    line(f"{PROGRAM}: internal error: {type(error).__name__}: {summary}")
    line("hint: set TUIDOCK_DEBUG=1 to see where, and report it")
    return ENGINE_FAILED


def _source_lines(path: str, number: int) -> list[str]:
    """The lines of a Dockerfile around ``number``, that one marked; none where the file is not readable."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            source = file.read().splitlines()
    except OSError:
        return []
    first, last = max(1, number - 2), min(len(source), number + 2)
    ruler = "-" * 20
    shown = [
        f"{at:4d} | {'>>>' if at == number else '   '} {source[at - 1]}" for at in range(first, last + 1)
    ]
    return [f"{os.path.basename(path)}:{number}", ruler, *shown, ruler]
