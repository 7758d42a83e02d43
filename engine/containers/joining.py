"""Owns bringing clients and processes into a live container; refuses to start one.

What it needs to know of the container is in the record: nothing that only a start needs is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.containers.folding import current
from engine.containers.supervision import GONE, not_running, restarting
from engine.errors import Conflict, InvalidInput, SupervisorTooOld
from engine.records import Execution
from engine.runtime.config import override_env, process_env
from engine.runtime.dialing import attached, request
from engine.runtime.identity import container_hostname
from engine.runtime.naming import new_id

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.options import AttachOptions, ExecOptions
    from engine.runtime.session import Session


async def attach(parts: Parts, reference: str, options: AttachOptions) -> Session:
    """A session on the running container's main process."""
    container = (await current(parts, reference)).container
    if container.state.status == "paused":
        raise Conflict(
            "container",
            container.name,
            "You cannot attach to a paused container, unpause it first",
            remedy=f"tuidock unpause {container.name}",
        )
    if container.state.status == "restarting":
        reason = "You cannot attach to a restarting container, wait until it is running"
        raise Conflict("container", container.name, reason)
    if not container.state.running:
        raise not_running(container, "You cannot attach to a stopped container, start it first")
    stdin = options.stdin and container.options.stdin_open
    body = {"op": "attach", "stdin": stdin, "replay": options.replay, "size": options.size}
    try:
        session = await attached(parts.paths.container_socket(container.id), body)
    except GONE as error:
        raise not_running(container, "You cannot attach to a stopped container, start it first") from error
    parts.announce("attach", container)
    return session


async def executions(parts: Parts, reference: str) -> tuple[Execution, ...]:
    """The exec sessions of the container: those that run, and the last that have ended."""
    container = (await current(parts, reference)).container
    if not container.state.running:
        return ()
    try:
        told = await request(parts.paths.container_socket(container.id), {"op": "exec_list"})
    except (*GONE, SupervisorTooOld):
        return ()
    return tuple(msgspec.convert(one, Execution) for one in told)


async def attach_execution(parts: Parts, reference: str, exec_id: str, options: AttachOptions) -> Session:
    """A session on an exec session, one of any number; of an ended one its last words."""
    container = (await current(parts, reference)).container
    if not container.state.running:
        raise not_running(container, f"container {container.id} is not running")
    body = {
        "op": "exec_attach",
        "exec_id": exec_id,
        "stdin": options.stdin,
        "replay": options.replay,
        "size": options.size,
    }
    try:
        return await attached(parts.paths.container_socket(container.id), body)
    except GONE as error:
        raise not_running(container, f"container {container.id} is not running") from error


async def execute(parts: Parts, reference: str, options: ExecOptions) -> Session | None:
    """One more process in the running container; None if it is detached."""
    if not options.command:
        raise InvalidInput("", "No exec command specified", remedy="name a command after the container")
    if options.working_dir and not options.working_dir.startswith("/"):
        raise InvalidInput(
            "", f"the working directory '{options.working_dir}' is invalid, it needs to be an absolute path"
        )
    container = (await current(parts, reference)).container
    if not container.state.running:
        raise not_running(container, f"container {container.id} is not running")
    if container.state.status == "restarting":
        raise restarting(container)
    hostname = container_hostname(container)
    env = override_env(process_env(container.config, hostname, tty=options.tty), options.env)
    body: dict[str, Any] = {
        "op": "exec",
        "args": options.command,
        "env": env,
        "cwd": options.working_dir,
        "user": options.user,
        "tty": options.tty,
        "stdin": options.stdin,
        "detach": options.detach,
        "size": options.size,
    }
    if options.privileged:
        from engine.runtime.capabilities import capability_bits, capability_names, capability_sets

        body["capabilities"] = capability_sets(capability_bits(capability_names(privileged=True)))
    exec_id, words = new_id(), " ".join(options.command)
    body["exec_id"] = exec_id
    parts.announce(f"exec_create: {words}", container, execID=exec_id)
    try:
        session = await attached(parts.paths.container_socket(container.id), body)
    except GONE as error:
        raise not_running(container, f"container {container.id} is not running") from error
    if options.detach:
        session.close()
        return None
    return session
