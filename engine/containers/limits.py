"""Owns limits over a container's life: what is asked for against what the machine has, and changes later.

Source: moby daemon/update.go. Refuses to choose a limit that nobody asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.containers.folding import current
from engine.containers.supervision import ask
from engine.errors import Conflict, InvalidInput, NotFound, RuntimeFailure
from engine.events import Warned
from engine.runtime.cgroups import read_host
from engine.runtime.cgroups.checks import adapted, check_update
from engine.runtime.cgroups.support import read_support
from engine.runtime.claim import claimed, until_claimable
from engine.runtime.supervision import check_restart
from engine.runtime.sysctls import check_sysctls

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.events import Progress
    from engine.options import CreateOptions, RestartPolicy, UpdateOptions
    from engine.records import Container
    from engine.store.container_records import Row

_CLAIM_SECONDS = 10.0
_SCORES = (-1000, 1000)


def adapted_options(options: CreateOptions, progress: Progress) -> CreateOptions:
    """``options`` with the limits that the machine can give; InvalidInput for what it must not be asked."""
    host = read_host(options.resources)
    resources, warnings = adapted(options.resources, read_support(host))
    if options.shm_size < 0:
        raise InvalidInput("", "SHM size can not be less than 0")
    if not _SCORES[0] <= options.oom_score_adj <= _SCORES[1]:
        words = f"Invalid value {options.oom_score_adj}, range for oom score adj is [-1000, 1000]"
        raise InvalidInput("", words)
    check_sysctls(options.sysctls, host_network=options.network == "host", host_ipc=options.ipc == "host")
    for warning in warnings:
        progress(Warned(text=warning))
    if resources.memory and not resources.memory_swap:
        resources = msgspec.structs.replace(resources, memory_swap=2 * resources.memory)
    return msgspec.structs.replace(options, resources=resources)


async def update(parts: Parts, reference: str, wanted: UpdateOptions) -> tuple[str, ...]:
    """Change limits and restart policy, of a running container at once; the warnings are returned."""
    row = await current(parts, reference)
    container = row.container
    possible, warnings = _possible(container, wanted)
    folder = parts.paths.container(container.id)
    await until_claimable(folder, _CLAIM_SECONDS)
    try:
        with claimed(folder):
            row = await current(parts, container.id)
            await _update_claimed(parts, row, possible)
    except BlockingIOError as error:
        reason = f"container {container.name} is being started or removed by another process"
        raise Conflict("container", container.name, reason) from error
    except FileNotFoundError as error:
        raise NotFound("container", reference) from error
    except (InvalidInput, RuntimeFailure) as error:
        error.message = f"Cannot update container {container.id}: {error}"
        raise
    parts.announce("update", container)
    return warnings


def _possible(container: Container, wanted: UpdateOptions) -> tuple[UpdateOptions, tuple[str, ...]]:
    """``wanted`` as the machine can give it, and as the container can take it."""
    new = wanted.resources
    if wanted.pids_limit is not None:
        new = msgspec.structs.replace(new, pids_limit=max(wanted.pids_limit, 0))
    support = read_support(read_host(container.options.resources))
    resources, warnings = adapted(new, support, update=True)
    if wanted.restart is not None:
        check_restart(wanted.restart, auto_remove=False)
    pids_limit = wanted.pids_limit if support.pids else None
    return msgspec.structs.replace(wanted, resources=resources, pids_limit=pids_limit), warnings


async def _update_claimed(parts: Parts, row: Row, wanted: UpdateOptions) -> None:
    from engine.runtime.cgroups.updates import merged, update_writes
    from engine.runtime.cgroups.usage import read_members

    container = row.container
    old = container.options.resources
    check_update(old, wanted.resources)
    if wanted.restart is not None and wanted.restart.name != "no" and container.options.auto_remove:
        words = "Restart policy cannot be updated because AutoRemove is enabled for the container"
        raise InvalidInput("", words)
    if container.state.running:
        host, members = read_host(old), read_members(parts.paths.container_bundle(container.id))
        writes = update_writes(host, members, old, wanted)
        if writes:
            await ask(parts, container, {"op": "limit", "writes": writes})
        if wanted.restart is not None:
            await ask(parts, container, {"op": "policy", "restart": _policy(wanted.restart)})

    def changed(options: CreateOptions) -> CreateOptions:
        restart = options.restart if wanted.restart is None else wanted.restart
        resources = merged(options.resources, wanted)
        return msgspec.structs.replace(options, resources=resources, restart=restart)

    parts.records.change_options(container.id, changed)


def _policy(restart: RestartPolicy) -> dict[str, object]:
    return {"name": restart.name, "maximum": restart.maximum_retry_count}
