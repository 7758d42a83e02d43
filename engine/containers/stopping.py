"""Owns signals and ends: stop, kill, pause; a container's end is what its supervisor says it is.

Refuses to look at pids: signals go through the supervisor, which holds its init by descriptor.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from engine.containers.folding import current
from engine.containers.supervision import ask, wait_end
from engine.errors import Conflict, RuntimeFailure
from engine.runtime.claim import until_claimable
from engine.runtime.signals import signal_number, stop_signal

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.records import Container

DEFAULT_TIMEOUT = 10
_KILL_SECONDS = 10.0


async def stop(
    parts: Parts,
    reference: str,
    timeout: int | None,  # noqa: ASYNC109 - Docker's word
    signal_name: str | None,
    *,
    by_user: bool = True,
) -> None:
    """Ask the container to end, kill it after ``timeout`` seconds (negative: never); it has ended then.

    One that was not stopped by the user starts with the machine again, if its policy says so.
    """
    container = (await current(parts, reference)).container
    number = signal_number(signal_name) if signal_name else stop_signal(container)
    if not container.state.running:
        return
    if timeout is None:
        timeout = container.config.stop_timeout
    seconds = DEFAULT_TIMEOUT if timeout is None else timeout
    if by_user:
        parts.records.set_stopped_by_user(container.id)
    await _send(parts, container, number, final=True)
    if await wait_end(parts, container, None if seconds < 0 else float(seconds)) is None:
        await _send(parts, container, signal.SIGKILL, final=True)
        await _require_end(parts, container)
    parts.announce("stop", container)


async def kill(parts: Parts, reference: str, signal_name: str) -> None:
    """Send a signal; after one that cannot be refused the container has ended."""
    number = signal_number(signal_name)
    container = (await current(parts, reference)).container
    if not container.state.running:
        raise Conflict(
            "container",
            container.name,
            f"cannot kill container: {reference}: container {container.id} is not running",
        )
    final = number in {signal.SIGKILL, stop_signal(container)}
    if final or container.options.restart.name != "no":
        parts.records.set_stopped_by_user(container.id)
    # As Docker has it: where no stop signal is named, any signal may be meant as the end.
    await _send(parts, container, number, final=final or not container.config.stop_signal)
    if number == signal.SIGKILL:
        await _require_end(parts, container)


async def pause(parts: Parts, reference: str, *, frozen: bool) -> None:
    """Freeze or thaw all processes of the container."""
    container = (await current(parts, reference)).container
    verb = "pause" if frozen else "unpause"
    if not container.state.running:
        raise Conflict("container", container.name, f"container {container.id} is not running")
    await ask(parts, container, {"op": verb})
    parts.announce(verb, container)


async def force_end(parts: Parts, container: Container) -> None:
    """SIGKILL, and wait until the container has ended."""
    await _send(parts, container, signal.SIGKILL, final=True)
    await _require_end(parts, container)


async def _require_end(parts: Parts, container: Container) -> None:
    if await wait_end(parts, container, _KILL_SECONDS) is None:
        raise RuntimeFailure(
            "killing the container",
            path=container.name,
            reason="it has not ended within 10 seconds of SIGKILL",
            remedy="a process hangs in the kernel (see dmesg); the container goes when it does",
        )


async def _send(parts: Parts, container: Container, number: int, *, final: bool) -> None:
    """``final``: no restart policy may start it again."""
    try:
        await ask(parts, container, {"op": "signal", "signal": number, "stopped": True, "cancel": final})
        if container.state.status == "paused" and number != signal.SIGKILL:
            await ask(parts, container, {"op": "unpause"})  # or it could not obey
    except (Conflict, ProcessLookupError):
        from engine.runtime.orphans import is_silent  # that is rare

        if not is_silent(parts.paths, container):
            return  # it has ended meanwhile: that is what was wanted
        await _end_silent(parts, container, number)
    parts.announce("kill", container, signal=str(int(number)))


async def _end_silent(parts: Parts, container: Container, number: int) -> None:
    """What the user insists on is done without the container's supervisor."""
    from engine.runtime.orphans import end

    if number != signal.SIGKILL:
        raise RuntimeFailure(
            "signalling the container",
            path=container.name,
            reason="its run folder was removed, and its supervisor does not answer",
            remedy=f"tuidock kill {container.name} ends it all the same",
        )
    await until_claimable(parts.paths.container(container.id), _KILL_SECONDS)
    if await end(parts.paths, parts.launcher, container):
        await parts.networks.clear(container.id)
    parts.announce("die", container, exitCode=str(128 + signal.SIGKILL))
