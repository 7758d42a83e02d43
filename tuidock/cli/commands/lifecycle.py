"""Owns the verbs that change a container's state by name: stop, kill, restart, pause, wait, rm, rename."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.options import RemoveContainerOptions
from tuidock.cli.command import Command, Invocation
from tuidock.cli.commands.each import each
from tuidock.cli.flags import number, switch, text

if TYPE_CHECKING:
    from engine.engine import Engine

_SEVERAL = "CONTAINER [CONTAINER...]"
_SIGNAL = text("signal", "Signal to send to the container", "s")
_CONDITION = text("condition", 'Condition to wait for ("not-running", "next-exit", "removed")')
_TIMEOUT = number("timeout", "Seconds to wait before killing the container", "t", aliases=("time",))


async def _stop(engine: Engine, invocation: Invocation) -> int:
    timeout, signal = invocation.number("timeout"), invocation.optional("signal")
    return await each(
        invocation.arguments, lambda name: engine.containers.stop(name, timeout=timeout, signal=signal)
    )


async def _kill(engine: Engine, invocation: Invocation) -> int:
    signal = invocation.text("signal") or "KILL"
    return await each(invocation.arguments, lambda name: engine.containers.kill(name, signal))


async def _restart(engine: Engine, invocation: Invocation) -> int:
    timeout, signal = invocation.number("timeout"), invocation.optional("signal")
    return await each(
        invocation.arguments, lambda name: engine.containers.restart(name, timeout=timeout, signal=signal)
    )


async def _pause(engine: Engine, invocation: Invocation) -> int:
    return await each(invocation.arguments, engine.containers.pause)


async def _unpause(engine: Engine, invocation: Invocation) -> int:
    return await each(invocation.arguments, engine.containers.unpause)


async def _wait(engine: Engine, invocation: Invocation) -> int:
    condition = invocation.text("condition")
    # All at once: an exit that comes while another container is waited for is not missed.
    return await each(
        invocation.arguments, lambda name: engine.containers.wait(name, condition), show_result=True
    )


async def _remove(engine: Engine, invocation: Invocation) -> int:
    options = RemoveContainerOptions(force=invocation.switch("force"), volumes=invocation.switch("volumes"))
    return await each(
        invocation.arguments,
        lambda name: engine.containers.remove(name.strip("/"), options),
        missing="told" if options.force else "fails",
    )


async def _rename(engine: Engine, invocation: Invocation) -> int:
    await engine.containers.rename(*invocation.arguments)
    return 0


STOP = Command(usage=f"[OPTIONS] {_SEVERAL}", run=_stop, flags=(_SIGNAL, _TIMEOUT), fewest=1, most=None)
KILL = Command(usage=f"[OPTIONS] {_SEVERAL}", run=_kill, flags=(_SIGNAL,), fewest=1, most=None)
RESTART = Command(usage=f"[OPTIONS] {_SEVERAL}", run=_restart, flags=(_SIGNAL, _TIMEOUT), fewest=1, most=None)
PAUSE = Command(usage=_SEVERAL, run=_pause, fewest=1, most=None)
UNPAUSE = Command(usage=_SEVERAL, run=_unpause, fewest=1, most=None)
WAIT = Command(usage=f"[OPTIONS] {_SEVERAL}", run=_wait, flags=(_CONDITION,), fewest=1, most=None)
REMOVE = Command(
    usage=f"[OPTIONS] {_SEVERAL}",
    run=_remove,
    flags=(
        switch("force", "Force the removal of a running container (uses SIGKILL)", "f"),
        switch("volumes", "Remove anonymous volumes associated with the container", "v"),
    ),
    fewest=1,
    most=None,
)
RENAME = Command(usage="CONTAINER NEW_NAME", run=_rename, fewest=2, most=2)
