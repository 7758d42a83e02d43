"""Owns ``start``, ``attach`` and ``exec``: verbs that may lend the terminal to a container."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.errors import Conflict, EngineError, RuntimeFailure
from engine.options import AttachOptions, ExecOptions
from tuidock.cli import diagnostics, output, terminal
from tuidock.cli.attachment import Attachment, Session, attend, check_terminal
from tuidock.cli.command import CannotStart, Command, Invocation, SpecError
from tuidock.cli.detach_keys import DEFAULT as DEFAULT_DETACH_KEYS
from tuidock.cli.detach_keys import checked
from tuidock.cli.flags import many, switch, text
from tuidock.cli.specs import variables

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Container

DETACH_KEYS = text(
    "detach-keys",
    "Override the key sequence for detaching a container",
    default=DEFAULT_DETACH_KEYS,
    convert=checked,
)
_SIG_PROXY = switch("sig-proxy", "Proxy all received signals to the process", default=True)


def _check_start(invocation: Invocation) -> None:
    attached = invocation.switch("attach") or invocation.switch("interactive")
    if attached and len(invocation.arguments) > 1:
        raise CannotStart("you cannot start and attach multiple containers at once")


async def _start(engine: Engine, invocation: Invocation) -> int:
    if not (invocation.switch("attach") or invocation.switch("interactive")):
        return await _start_all(engine, invocation.arguments)
    container = await engine.containers.get(invocation.arguments[0])
    stdin = invocation.switch("interactive") and container.options.stdin_open
    how = _attachment(engine, container, invocation, stdin=stdin, proxy=True)
    size = terminal.size() if how.tty else None
    session = await engine.containers.start_attached(
        container.id, AttachOptions(stdin=stdin), size, diagnostics.tell_warning
    )
    code = await attend(session, how)
    return 0 if code is None else code


async def _start_all(engine: Engine, names: tuple[str, ...]) -> int:
    code = 0
    for name in names:
        try:
            await engine.containers.start(name, diagnostics.tell_warning)
        except EngineError as error:
            diagnostics.engine_error(error)
            code = diagnostics.FAILED
        else:
            output.line(name)
    return code


async def _attach(engine: Engine, invocation: Invocation) -> int:
    container = await engine.containers.get(invocation.arguments[0])
    if not container.state.running:
        raise Conflict(
            "container",
            container.name,
            "cannot attach to a stopped container, start it first",
            remedy=f"tuidock start -ai {container.name}",
        )
    if container.state.status == "restarting":
        reason = "cannot attach to a restarting container, wait until it is running"
        raise Conflict("container", container.name, reason)
    if container.state.status == "paused":
        raise Conflict("container", container.name, "cannot attach to a paused container, unpause it first")
    if "exec" in invocation.given:
        return await _attach_execution(engine, container, invocation)
    stdin = not invocation.switch("no-stdin") and container.options.stdin_open
    how = _attachment(engine, container, invocation, stdin=stdin, proxy=invocation.switch("sig-proxy"))
    problem = check_terminal(tty=how.tty, stdin=how.stdin)
    if problem:
        return diagnostics.problem(problem)
    session = await engine.containers.attach(container.id, AttachOptions(stdin=stdin))
    size = terminal.size()
    if how.tty and size is not None:
        # two sizes, so that a full-screen program notices a change and paints itself again
        await session.resize(size[0] + 1, size[1])
        await session.resize(*size)
    return await _stay(session, how)


async def _attach_execution(engine: Engine, container: Container, invocation: Invocation) -> int:
    """One more client of an exec session: it sees the last output again, and what comes."""
    options = AttachOptions(stdin=not invocation.switch("no-stdin"), replay=True, size=terminal.size())
    session = await engine.containers.attach_execution(container.id, invocation.text("exec"), options)
    problem = check_terminal(tty=session.tty, stdin=options.stdin)
    if problem:
        session.close()
        return diagnostics.problem(problem)
    how = Attachment(tty=session.tty, stdin=options.stdin, keys=invocation.text("detach-keys"))
    return await _stay(session, how)


async def _stay(session: Session, how: Attachment) -> int:
    """Docker's ``attach`` and ``exec`` take leaving for a failure, its ``run`` and ``start`` do not."""
    code = await attend(session, how)
    if code is None:
        diagnostics.line("read escape sequence")
        return diagnostics.FAILED
    return code


def _attachment(
    engine: Engine, container: Container, invocation: Invocation, *, stdin: bool, proxy: bool
) -> Attachment:
    async def forward(signal: str) -> None:
        await engine.containers.kill(container.id, signal)

    tty = container.options.tty
    return Attachment(
        tty=tty,
        stdin=stdin,
        keys=invocation.text("detach-keys"),
        forward=forward if proxy and not tty else None,
    )


async def _exec(engine: Engine, invocation: Invocation) -> int:
    name, *command = invocation.arguments
    detach, tty = invocation.switch("detach"), invocation.switch("tty")
    stdin = invocation.switch("interactive") and not detach
    if not detach:
        problem = check_terminal(tty=tty, stdin=stdin)
        if problem:
            return diagnostics.problem(problem)
    options = ExecOptions(
        command=tuple(command),
        env=_environment(invocation),
        working_dir=invocation.filled("workdir"),
        user=invocation.filled("user"),
        tty=tty,
        stdin=stdin,
        detach=detach,
        privileged=invocation.switch("privileged"),
        size=terminal.size() if tty else None,
    )
    try:
        session = await engine.containers.exec(name, options)
    except RuntimeFailure as error:  # an unknown user, a working directory that is not there
        return max(diagnostics.engine_error(error), diagnostics.NOT_EXECUTABLE)
    if session is None:
        return 0
    return await _stay(session, Attachment(tty=tty, stdin=stdin, keys=invocation.text("detach-keys")))


def _environment(invocation: Invocation) -> tuple[str, ...]:
    try:
        return variables.environment(invocation.many("env-file"), invocation.many("env"), os.environ)
    except ValueError as error:
        raise SpecError(str(error)) from None


def _check_exec(invocation: Invocation) -> None:
    _environment(invocation)


START = Command(
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    run=_start,
    flags=(
        switch("attach", "Attach STDOUT/STDERR and forward signals", "a"),
        DETACH_KEYS,
        switch("interactive", "Attach container's STDIN", "i"),
    ),
    fewest=1,
    most=None,
    check=_check_start,
)
ATTACH = Command(
    usage="[OPTIONS] CONTAINER",
    run=_attach,
    flags=(
        DETACH_KEYS,
        text("exec", "Attach to this exec session (see: container execs)"),
        switch("no-stdin", "Do not attach STDIN"),
        _SIG_PROXY,
    ),
    fewest=1,
    most=1,
)
EXEC = Command(
    usage="[OPTIONS] CONTAINER COMMAND [ARG...]",
    run=_exec,
    flags=(
        switch("detach", "Detached mode: run command in the background", "d"),
        DETACH_KEYS,
        many("env", "Set environment variables", "e", convert=variables.environment_variable),
        many("env-file", "Read in a file of environment variables"),
        switch("interactive", "Keep STDIN open even if not attached", "i"),
        switch("privileged", "Give extended privileges to the command"),
        switch("tty", "Allocate a pseudo-TTY", "t"),
        text("user", 'Username or UID (format: "<name|uid>[:<group|gid>]")', "u"),
        text("workdir", "Working directory inside the container", "w"),
    ),
    fewest=2,
    most=None,
    interspersed=False,
    check=_check_exec,
)
