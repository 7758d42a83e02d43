"""Owns ``cp``: which argument is a container's; refuses to know what the paths mean."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.options import CopyFromOptions, CopyToOptions
from tuidock.cli import diagnostics
from tuidock.cli.command import CannotStart, Command, Invocation
from tuidock.cli.flags import switch
from tuidock.sizes import human_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.engine import Engine
    from engine.events import ProgressFact

_STDIN, _STDOUT = 0, 1
_STREAM = "-"
_CLEAR = "\r\x1b[K"


def _split(argument: str) -> tuple[str, str]:
    """(container, path); no container where the argument is a path of this machine."""
    container, colon, path = argument.partition(":")
    if argument.startswith(("/", ".")) or not colon:
        return "", argument
    return container, path


def _check(invocation: Invocation) -> None:
    source, target = map(_split, invocation.arguments)
    if source[0] and target[0]:
        raise CannotStart("copying between containers is not supported")
    if not source[0] and not target[0]:
        raise CannotStart("must specify at least one container source")


async def _copy(engine: Engine, invocation: Invocation) -> int:
    (from_container, source), (to_container, target) = map(_split, invocation.arguments)
    follow = invocation.switch("follow-link")
    given = invocation.switch("quiet") if "quiet" in invocation.given else None
    quiet = not os.isatty(diagnostics.STDERR) if given is None else given
    if from_container:
        streamed = target == _STREAM
        reading = CopyFromOptions(
            path=source,
            target=None if streamed else _absolute(target),
            fd=_STDOUT if streamed else None,
            archive=invocation.switch("archive"),
            follow_link=follow,
        )
        progress = _progress("from", quiet=quiet or streamed)
        size = await engine.containers.copy_from(from_container, reading, progress)
        where, quiet = _absolute(target), quiet or streamed
    else:
        streamed = source == _STREAM
        writing = CopyToOptions(
            path=target,
            source=None if streamed else _absolute(source),
            fd=_STDIN if streamed else None,
            follow_link=follow,
        )
        size = await engine.containers.copy_to(to_container, writing, _progress("to", quiet=quiet))
        where = f"{to_container}:{target}"
    if not quiet:
        begin = _CLEAR if os.isatty(diagnostics.STDERR) else ""
        diagnostics.line(f"{begin}Successfully copied {_shown(size)} to {where}")
    return 0


def _progress(direction: str, *, quiet: bool) -> Callable[[ProgressFact], None]:
    def show(fact: ProgressFact) -> None:
        if not quiet and os.isatty(diagnostics.STDERR):
            done = _shown(getattr(fact, "done", 0))
            diagnostics.write(f"{_CLEAR}Copying {direction} container - {done}".encode())

    return show


def _shown(size: int) -> str:
    return human_size(size, 3)


def _absolute(path: str) -> str:
    """``path`` for a worker, whose folder is another; a ``/`` or ``/.`` at its end says something."""
    absolute = os.path.normpath(os.path.join(os.getcwd(), path))
    if path == "." or path.endswith("/."):
        return f"{absolute.rstrip('/')}/."
    return f"{absolute.rstrip('/')}/" if path.endswith("/") else absolute


COPY = Command(
    usage="[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\ttuidock cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    run=_copy,
    flags=(
        switch("archive", "Archive mode (copy all uid/gid information)", "a"),
        switch("follow-link", "Always follow symbol link in SRC_PATH", "L"),
        switch("quiet", "Suppress progress output during copy. Set if no terminal is attached", "q"),
    ),
    fewest=2,
    most=2,
    check=_check,
    description=(
        "Copy files/folders between a container and the local filesystem\n\n"
        "Use '-' as the source to read a tar archive from stdin\n"
        "and extract it to a directory destination in a container.\n"
        "Use '-' as the destination to stream a tar archive of a\n"
        "container source to stdout."
    ),
)
