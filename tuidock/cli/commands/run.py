"""Owns ``run`` and ``create``: their flags, and what they make of them; refuses to parse values itself."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import msgspec

from engine.errors import EngineError, InvalidInput, NotFound, RegistryError
from engine.events import Warned
from engine.options import AttachOptions, CreateOptions, PullOptions, RemoveContainerOptions
from tuidock.cli import diagnostics, output, terminal
from tuidock.cli.attachment import Attachment, attend, check_terminal
from tuidock.cli.command import PROGRAM, Command, Invocation, SpecError
from tuidock.cli.commands.attached import DETACH_KEYS
from tuidock.cli.container_options import CONTAINER_FLAGS, create_options
from tuidock.cli.flags import many, switch, text
from tuidock.cli.progress import reporting

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.events import Progress, ProgressFact
    from engine.records import Container

_STREAMS = frozenset({"stdin", "stdout", "stderr"})


def _stream(value: str) -> str:
    if value.lower() not in _STREAMS:
        raise ValueError("valid streams are STDIN, STDOUT and STDERR")
    return value.lower()


def _pull(value: str) -> str:
    if value not in {"always", "missing", "never"}:
        raise SpecError(f'invalid pull option: \'{value}\': must be one of "always", "missing" or "never"')
    return value


_COMMON_FLAGS = (
    *CONTAINER_FLAGS,
    text("cidfile", "Write the container ID to the file"),
    text(
        "pull", 'Pull image before running ("always", "missing", "never")', default="missing", convert=_pull
    ),
    switch("quiet", "Suppress the progress output", "q"),
)
_RUN_FLAGS = (
    *_COMMON_FLAGS,
    many("attach", "Attach to STDIN, STDOUT or STDERR", "a", convert=_stream),
    switch("detach", "Run container in background and print container ID", "d"),
    DETACH_KEYS,
    switch("sig-proxy", "Proxy received signals to the process", default=True),
)


def _check_create(invocation: Invocation) -> None:
    create_options(invocation)
    path = invocation.text("cidfile")
    if path and os.path.lexists(path):
        raise SpecError(
            f"container ID file found, make sure the other container isn't running or delete {path}"
        )


def _check_run(invocation: Invocation) -> None:
    _check_create(invocation)
    if invocation.switch("detach") and invocation.many("attach"):
        raise SpecError("conflicting options: cannot specify both --attach and --detach")


async def _create(engine: Engine, invocation: Invocation) -> int:
    if problem := _id_file_problem(invocation):
        return diagnostics.problem(problem)
    streams = {"stdout", "stderr"} | ({"stdin"} if invocation.switch("interactive") else set())
    container = await _created(engine, invocation, _with_streams(create_options(invocation), streams))
    output.line(container.id)
    return 0


async def _run(engine: Engine, invocation: Invocation) -> int:
    how = _attachment(invocation)
    streams = how.streams | ({"stdin"} if how.stdin else set())
    options = _with_streams(
        create_options(invocation), set() if invocation.switch("detach") else set(streams)
    )
    if problem := _id_file_problem(invocation):
        return diagnostics.problem(problem, diagnostics.NOT_FOUND)
    if not invocation.switch("detach"):
        problem = check_terminal(tty=how.tty, stdin=how.stdin)
        if problem:
            return diagnostics.problem(problem)
    container = await _created(engine, invocation, options)
    try:
        return await _start(engine, invocation, container, how)
    except EngineError:
        await _remove_if_never_run(engine, container)
        raise


def _with_streams(options: CreateOptions, streams: set[str]) -> CreateOptions:
    """As Docker: with -i and not -d the container's input ends with who types into it."""
    once = "stdin" in streams and options.stdin_open
    return msgspec.structs.replace(options, stdin_once=once, attach=tuple(sorted(streams)))


def _id_file_problem(invocation: Invocation) -> str:
    """Why the id could not be written where it is wanted, in Docker's words."""
    path = invocation.text("cidfile")
    if not path or os.path.isdir(os.path.dirname(os.path.abspath(path))):
        return ""
    return f"failed to create the container ID file: open {path}: no such file or directory"


async def _start(engine: Engine, invocation: Invocation, container: Container, how: Attachment) -> int:
    if invocation.switch("detach"):
        await engine.containers.start(container.id, diagnostics.tell_warning)
        output.line(container.id)
        return 0

    async def forward(signal: str) -> None:
        await engine.containers.kill(container.id, signal)

    size = terminal.size() if how.tty else None
    session = await engine.containers.start_attached(
        container.id, AttachOptions(stdin=how.stdin), size, diagnostics.tell_warning
    )
    # with input the terminal is raw: its keys are the container's, and a signal to this process is for it
    if invocation.switch("sig-proxy") and not (how.tty and how.stdin):
        how = Attachment(tty=how.tty, stdin=how.stdin, streams=how.streams, keys=how.keys, forward=forward)
    code = await attend(session, how)
    return 0 if code is None else code


def _attachment(invocation: Invocation) -> Attachment:
    """What the user sees of the container: -a if given, else its output, and its input with -i."""
    chosen = set(invocation.many("attach")) or (
        {"stdout", "stderr"} | ({"stdin"} if invocation.switch("interactive") else set())
    )
    return Attachment(
        tty=invocation.switch("tty"),
        stdin="stdin" in chosen,
        streams=frozenset(chosen - {"stdin"}),
        keys=invocation.text("detach-keys"),
    )


async def _created(engine: Engine, invocation: Invocation, options: CreateOptions) -> Container:
    local = next((server for server in options.dns if server == "::1" or server.startswith("127.")), "")
    if local:
        diagnostics.warn(f"Localhost DNS ({local}) may fail in containers.")
    # not in a pipe or a script: there standard error is the container's alone
    quiet = invocation.switch("quiet") or not os.isatty(diagnostics.STDERR)
    warnings: list[str] = []
    async with reporting("quiet" if quiet else "tty") as progress:

        def report(fact: ProgressFact) -> None:
            if isinstance(fact, Warned):
                warnings.append(fact.text)
            else:
                progress(fact)

        container = await _create_or_pull(engine, options, invocation.text("pull"), report)
    for warning in warnings:
        diagnostics.warn(warning)
    try:
        _write_id(invocation.text("cidfile"), container.id)
    except OSError as error:
        await engine.containers.remove(container.id, RemoveContainerOptions(force=True))
        path = invocation.text("cidfile")
        raise InvalidInput(path, f"the container ID file cannot be written: {error.strerror}") from None
    return container


async def _create_or_pull(engine: Engine, options: CreateOptions, pull: str, progress: Progress) -> Container:
    """As Docker: an image that is not there is pulled, one that is only if ``pull`` says always."""
    wanted = PullOptions(reference=options.image, platform=options.platform)
    if pull == "always":
        await _pull_image(engine, wanted, progress)
    try:
        return await engine.containers.create(options, progress)
    except NotFound as error:
        if pull != "missing" or error.kind != "image":
            raise
        missing = error
    diagnostics.line(f"Unable to find image '{missing.name}' locally")
    try:
        await _pull_image(engine, wanted, progress)
    except RegistryError as error:
        error.remedy = f"{error.remedy}; or make the image here: {PROGRAM} image bootstrap, build, load"
        raise
    return await engine.containers.create(options, progress)


async def _pull_image(engine: Engine, wanted: PullOptions, progress: Progress) -> None:
    from tuidock.cli.pulled import pulled_lines

    (pulled,) = await engine.images.pull(wanted, progress)
    for line in pulled_lines(pulled.name, pulled.digest, newer=pulled.newer):
        diagnostics.line(line)


def _write_id(cidfile: str, container_id: str) -> None:
    if cidfile:
        with open(cidfile, "x", encoding="ascii") as file:
            file.write(container_id)


async def _remove_if_never_run(engine: Engine, container: Container) -> None:
    """With --rm nothing may stay of a container that could not be started."""
    if container.options.auto_remove:
        with contextlib.suppress(EngineError):
            await engine.containers.remove(container.id, RemoveContainerOptions(force=True, volumes=True))


RUN = Command(
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    run=_run,
    flags=_RUN_FLAGS,
    fewest=1,
    most=None,
    interspersed=False,
    check=_check_run,
    engine_error_code=diagnostics.ENGINE_FAILED,
)
CREATE = Command(
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    run=_create,
    flags=_COMMON_FLAGS,
    fewest=1,
    most=None,
    interspersed=False,
    check=_check_create,
)
