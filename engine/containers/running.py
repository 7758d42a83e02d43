"""Owns bringing a container to life.

One process wins a start: it holds the claim from the check to the supervisor's answer. Refuses to end any.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from engine.containers import joining
from engine.containers.confinement import loaded_profile
from engine.containers.creation import make_folders
from engine.containers.folding import current
from engine.containers.sharing import peers_of
from engine.containers.supervision import settle
from engine.errors import CommandNotExecutable, CommandNotFound, Conflict, EngineError, NotFound
from engine.events import Progress, Warned, ignore_progress
from engine.options import AttachOptions
from engine.records import Container, ContainerState
from engine.runtime.attachment import Attachment, AttachmentRequest
from engine.runtime.bundle import Surroundings, container_bundle
from engine.runtime.capabilities import capability_names
from engine.runtime.cgroups import read_host
from engine.runtime.claim import claimed, until_claimable
from engine.runtime.config import port_specs
from engine.runtime.identity import container_hostname
from engine.runtime.init import find_init
from engine.runtime.initlayer import host_devices
from engine.runtime.namespaces import namespaces_plan
from engine.runtime.seccomp import seccomp_filter
from engine.shim.lock import lock_holder
from engine.store.container_records import CREATED
from engine.store.locks import store_failure

if TYPE_CHECKING:
    from engine.containers.parts import Parts
    from engine.paths import Paths
    from engine.runtime.devices import Devices
    from engine.runtime.namespaces import Namespaces
    from engine.runtime.session import Session
    from engine.store.container_records import Row

_CLAIM_SECONDS = 30.0
_EXIT_CODES = ((CommandNotFound, 127), (CommandNotExecutable, 126), (EngineError, 128))


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Of one start: how it is attached to (None: not), the size of the terminal, who is told of warnings."""

    options: AttachOptions | None = None
    size: tuple[int, int] | None = None
    progress: Progress = ignore_progress


async def start(parts: Parts, reference: str, wanted: Wanted) -> Session | None:
    """Start the container; with ``wanted.options`` attached before its first instruction.

    One that runs already, or that another process has just started, is left alone (and attached to).
    """
    row = await current(parts, reference)
    await settle(parts, row.container)
    if row.desired == CREATED and not os.path.isdir(parts.paths.container(row.container.id)):
        await make_folders(parts, row.container, _lower(parts, row))
    folder, end = parts.paths.container(row.container.id), time.monotonic() + _CLAIM_SECONDS
    while True:
        try:
            with claimed(folder):
                row = await _unless_removed(parts, row.container)
                if not row.container.state.running:
                    return await _start_claimed(parts, row, wanted)
        except BlockingIOError as error:  # another process starts, folds or removes it: let it
            if time.monotonic() > end:
                raise _busy(row.container) from error
            await until_claimable(folder, end - time.monotonic())
        except FileNotFoundError as error:
            raise _removed(row.container) from error
        else:
            break
    if row.container.state.status == "paused":
        raise Conflict(
            "container",
            row.container.name,
            "cannot start a paused container, try unpause instead",
            remedy=f"tuidock unpause {row.container.name}",
        )
    if wanted.options is None:
        return None
    return await joining.attach(parts, row.container.id, wanted.options)


async def _unless_removed(parts: Parts, container: Container) -> Row:
    try:
        return await current(parts, container.id)
    except NotFound as error:
        raise _removed(container) from error


def _removed(container: Container) -> Conflict:
    reason = "container is marked for removal and cannot be started"
    return Conflict("container", container.name, reason)


def _busy(container: Container) -> Conflict:
    return Conflict(
        "container",
        container.name,
        f"container {container.name} is being started or removed by another process",
        remedy="look again in a moment: tuidock ps -a",
    )


async def _start_claimed(parts: Parts, row: Row, wanted: Wanted) -> Session | None:
    container, paths = row.container, parts.paths
    options, size = wanted.options, wanted.size
    peers = await peers_of(parts, container.options)
    if container.mounts:
        from engine.containers.mounting import check_mounts  # most containers mount nothing

        check_mounts(container)
    if any(endpoint.links for endpoint in container.options.endpoints):
        from engine.containers.linking import with_links

        container = await with_links(parts, container)
    attachment = await parts.networks.attach(attachment_request(container, peers))
    for warning in attachment.warnings:
        wanted.progress(Warned(text=warning))
    try:
        joined = namespaces_plan(container.options, peers, attachment)
        _write_files(parts, container, attachment)
        parts.records.set_running(container.id, attachment.ports, attachment.endpoints)
        _forget_last_run(paths, container.id)
        bundle = container_bundle(paths, container, await _surroundings(parts, row, attachment, joined, size))
        return await parts.launcher.supervise(
            bundle,
            attach=options is not None,
            stdin=options is not None and options.stdin and container.options.stdin_open,
            size=size,
        )
    except EngineError as error:
        if not lock_holder(paths.container_lock(container.id)):  # else it lives, and could only not say so
            _record_failure(parts, container, error)
        raise


def _lower(parts: Parts, row: Row) -> tuple[str, ...]:
    return tuple(parts.paths.layer(chain_id) for chain_id, _ in parts.records.chain(row.chain_id))


def attachment_request(container: Container, peers: dict[str, Container]) -> AttachmentRequest:
    """What the container wants of its networks."""
    options = container.options
    return AttachmentRequest(
        owner=container.id,
        name=container.name,
        network=options.network,
        endpoints=options.endpoints,
        detached=options.detached,
        ports=port_specs(options, container.config.exposed_ports),
        hostname=container_hostname(container),
        domainname=options.domainname,
        dns=options.dns,
        dns_search=options.dns_search,
        dns_options=options.dns_options,
        extra_hosts=options.extra_hosts,
        peer=peers.get("network"),
    )


async def _surroundings(
    parts: Parts,
    row: Row,
    attachment: Attachment,
    namespaces: Namespaces,
    size: tuple[int, int] | None,
) -> Surroundings:
    container = row.container
    peer = parts.records.get(attachment.files_of) if attachment.files_of else None
    return Surroundings(
        cgroups=read_host(container.options.resources),
        lower=_lower(parts, row),
        hostname=container_hostname(peer.container if peer else container),
        attachment=attachment,
        namespaces=namespaces,
        apparmor=await loaded_profile(parts, container),
        seccomp=await _seccomp(parts, container),
        host_devices=tuple(host_devices()) if container.options.privileged else (),
        devices=_devices(container),
        init_path=find_init(parts.paths) if container.options.init else None,
        size=size,
    )


async def _seccomp(parts: Parts, container: Container) -> dict[str, Any] | None:
    """The filter; a process that ``exec --privileged`` starts has the container's too, as Docker's."""
    options = container.options
    names = capability_names(options.cap_add, options.cap_drop, privileged=options.privileged)
    return await seccomp_filter(
        parts.paths, parts.launcher, options.seccomp, names, privileged=options.privileged
    )


def _devices(container: Container) -> Devices | None:
    options = container.options
    if not (options.devices or options.cdi_devices or options.device_cgroup_rules):
        return None
    from engine.runtime.devices import find_devices  # few containers have any

    return find_devices(options)


def _write_files(parts: Parts, container: Container, attachment: Attachment) -> None:
    if attachment.files_of:
        return
    texts = (
        (parts.paths.container_hosts(container.id), attachment.hosts),
        (parts.paths.container_resolv_conf(container.id), attachment.resolv_conf),
        (parts.paths.container_hostname(container.id), f"{container_hostname(container)}\n"),
    )
    try:
        for path, text in texts:
            # In place: a container that joined this one's network has the same inode bound.
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                os.fchmod(file.fileno(), 0o644)
                file.write(text)
    except OSError as error:
        raise store_failure(path, error) from error


def _forget_last_run(paths: Paths, container_id: str) -> None:
    """The last run's facts are in the record: its file must not be taken for this run's.

    An overlay that was mounted volatile says so in its work directory, and cannot be mounted again with it.
    """
    volatile = f"{paths.container_work(container_id)}/work/incompat"
    for remove, path in (
        (os.unlink, paths.container_state(container_id)),
        (os.unlink, f"{volatile}/volatile/dirty"),
        (os.rmdir, f"{volatile}/volatile"),
        (os.rmdir, volatile),
    ):
        try:
            remove(path)
        except FileNotFoundError:
            continue


def _record_failure(parts: Parts, container: Container, error: EngineError) -> None:
    """As Docker: the container stays (or goes back to) created, with the error and its exit code."""
    code = next(code for kind, code in _EXIT_CODES if isinstance(error, kind))
    status = "exited" if container.state.started_at else "created"
    state = ContainerState(
        status=status,
        exit_code=code,
        error=str(error),
        started_at=container.state.started_at,
        finished_at=container.state.finished_at,
    )
    if not parts.records.fold(container.id, state, CREATED):
        parts.records.set_state(container.id, state)
    parts.announce("die", container, exitCode=str(code))
