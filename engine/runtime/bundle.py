"""Owns the bundle: a container and its plans joined into what a supervisor executes; pure, no I/O.

The shape is what ``engine.shim`` reads: docs/BUNDLE.md tells of each field. Every path in it is absolute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.records import Record
from engine.runtime.attachment import Attachment
from engine.runtime.capabilities import (
    DEVICE_CAPABILITY,
    capability_bits,
    capability_names,
    capability_sets,
    without_devices,
)
from engine.runtime.cgroups import HostCgroups, cgroup_plan
from engine.runtime.config import override_env, process_env
from engine.runtime.identity import event_attributes
from engine.runtime.init import is_own
from engine.runtime.log_config import log_bound
from engine.runtime.mounts import device_nodes, mount_plan, shared_memory
from engine.runtime.namespaces import Namespaces
from engine.runtime.signals import stop_signal
from engine.runtime.supervision import health_bundle, restart_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.options import IdRange
    from engine.paths import Paths
    from engine.records import Container
    from engine.runtime.mounts import Mount

VERSION = 1
_EXEC_DEFAULTS = (
    "env",
    "user",
    "cwd",
    "groups",
    "capabilities",
    "no_new_privileges",
    "apparmor",
    "seccomp",
    "rlimits",
    "oom_score_adj",
)
"""The fields of a process that an exec session has of its container's, unless it asks for others."""
_MOST_GROUPS = 2147483647
_TTY_GROUP = 5
"""To whom terminals belong, where there is that group."""


class Surroundings(Record, frozen=True, kw_only=True):
    """What the host contributes to one start: facts that were read, and choices that were made."""

    cgroups: HostCgroups
    lower: tuple[str, ...]
    """The image's trees, top first."""
    hostname: str
    attachment: Attachment
    namespaces: Namespaces = Namespaces()
    apparmor: str | None = None
    """The AppArmor profile, which is loaded."""
    seccomp: dict[str, object] | None = None
    """The filter, as ``engine.shim.seccomp`` loads it; None is none."""
    host_devices: tuple[dict[str, object], ...] = ()
    devices: Any = None
    """A ``Devices`` of ``engine.runtime.devices``, which most starts need not import."""
    init_path: str | None = None
    size: tuple[int, int] | None = None


def container_bundle(paths: Paths, container: Container, around: Surroundings) -> dict[str, Any]:
    """The bundle with which ``container`` is started now."""
    options, container_id = container.options, container.id
    process = process_of(container, around)
    return {
        "version": VERSION,
        "id": container_id,
        "name": container.name,
        **_locations(paths, container_id),
        "event_attributes": event_attributes(container),
        "companions": companions(container, around.attachment),
        "step": False,
        "tty": options.tty,
        "stdin_open": options.stdin_open,
        "size": list(around.size) if around.size else None,
        "auto_remove": options.auto_remove,
        "remove_paths": [paths.container(container_id), paths.container_run(container_id)],
        "rootfs": _rootfs(paths, container, around),
        "namespaces": list(around.namespaces.new),
        "joins": [msgspec.to_builtins(join) for join in around.namespaces.joins],
        "hostname": around.hostname if "uts" in around.namespaces.new else "",
        "domainname": options.domainname,
        "sysctls": {**_sysctls(container, around), **options.sysctls},
        "userns": _userns(container),
        **_view(paths, container, around),
        "process": process,
        "init_path": around.init_path,
        "cgroup": _cgroup(container, around),
        "network": around.attachment.bundle,
        "stop_signal": stop_signal(container),
        "stdin_once": options.stdin_once,
        "log": log_bound(options),
        "restart": restart_bundle(options.restart),
        "health": health_bundle(container.config),
        "exec_defaults": {name: process[name] for name in _EXEC_DEFAULTS},
    }


def _cgroup(container: Container, around: Surroundings) -> dict[str, object]:
    options = container.options
    rules = around.devices.rules if around.devices else ()
    plan = cgroup_plan(
        around.cgroups, container.id, options.resources, privileged=options.privileged, devices=rules
    )
    return plan.bundle()


def _userns(container: Container) -> dict[str, Any] | None:
    ranges = container.options.id_map
    return {"map": [[one.container, one.host, one.size] for one in ranges]} if ranges else None


def _seen_by(ids: tuple[IdRange, ...], mount: Mount, *, own: bool) -> dict[str, Any]:
    """The mount in the bundle; in a user namespace the engine's ``own`` files belong to its root."""
    seen: dict[str, Any] = msgspec.to_builtins(mount)
    if ids:
        seen["idmapped"] = own
        if not any(one.container <= _TTY_GROUP < one.container + one.size for one in ids):
            seen["data"] = seen["data"].removesuffix(f",gid={_TTY_GROUP}")
    return seen


def _sysctls(container: Container, around: Surroundings) -> dict[str, str]:
    """Docker's, for a network namespace of one's own: any user may bind port 80 and ping."""
    if not around.attachment.new_namespace:
        return {}
    mapped = container.options.id_map
    last_group = mapped[0].size - 1 if mapped else _MOST_GROUPS
    return {
        "net.ipv4.ip_unprivileged_port_start": "0",
        "net.ipv4.ping_group_range": f"0 {min(last_group, _MOST_GROUPS)}",
    }


def _view(paths: Paths, container: Container, around: Surroundings) -> dict[str, Any]:
    options, peer = container.options, around.namespaces.join("ipc")
    plan = mount_plan(
        around.cgroups,
        container.id,
        container.mounts,
        engine_files(paths, around.attachment.files_of or container.id),
        privileged=options.privileged,
        shm=shared_memory(options.ipc, (peer.pid, peer.start_time) if peer else None, size=options.shm_size),
        systempaths_unconfined=options.systempaths_unconfined,
    )
    own = {point.source for point in container.mounts if point.type == "volume"}
    own.update(engine_files(paths, around.attachment.files_of or container.id).values())
    return {
        "mounts": [
            _seen_by(options.id_map, mount, own=mount.source in own)
            for mount in (*plan.mounts, *(around.devices.mounts if around.devices else ()))
        ],
        "devices": device_nodes((*around.host_devices, *(around.devices.nodes if around.devices else ()))),
        "masked_paths": list(plan.masked_paths),
        "readonly_paths": list(plan.readonly_paths),
    }


def _rootfs(paths: Paths, container: Container, around: Surroundings) -> dict[str, Any]:
    return {
        "lower": [paths.container_init_layer(container.id), *around.lower],
        "upper": paths.container_upper(container.id),
        "work": paths.container_work(container.id),
        "volatile": container.options.auto_remove,
        "read_only": container.options.read_only,
        "nodev": not (around.cgroups.guards_devices or container.options.privileged),
    }


def process_of(container: Container, around: Surroundings) -> dict[str, Any]:
    """The ``process`` object: who runs what, and what it may do."""
    options, config = container.options, container.config
    names = capability_names(options.cap_add, options.cap_drop, privileged=options.privileged)
    if not options.privileged and DEVICE_CAPABILITY not in _asked(options.cap_add):
        names = without_devices(names, around.cgroups)
    return {
        "args": list(container.command_line),
        "env": list(_environment(container, around)),
        "cwd": config.working_dir or "/",
        "user": config.user,
        "groups": [*options.group_add, *(around.devices.groups if around.devices else ())],
        "capabilities": capability_sets(capability_bits(names)),
        "no_new_privileges": options.no_new_privileges,
        "apparmor": around.apparmor,
        "seccomp": around.seccomp,
        "rlimits": [[limit.name, limit.soft, limit.hard] for limit in options.resources.ulimits],
        "oom_score_adj": options.oom_score_adj,
        "init": "own" if is_own(around.init_path) else options.init,
    }


def _environment(container: Container, around: Surroundings) -> tuple[str, ...]:
    env = process_env(container.config, around.hostname, tty=container.options.tty)
    return override_env(env, around.devices.env) if around.devices else env


def engine_files(paths: Paths, container_id: str) -> dict[str, str]:
    """Target in the container to the file on the host that is bound there."""
    return {
        "/etc/resolv.conf": paths.container_resolv_conf(container_id),
        "/etc/hostname": paths.container_hostname(container_id),
        "/etc/hosts": paths.container_hosts(container_id),
    }


def companions(container: Container, attachment: Attachment) -> dict[str, list[dict[str, Any]]]:
    """What the journal says of networks and volumes when the container starts and when it has ended."""
    held = {"container": container.id}
    told: dict[str, list[dict[str, Any]]] = {"start": [], "end": []}
    for endpoint in attachment.endpoints:
        shown = {**held, "name": endpoint.network, "type": endpoint.driver}
        one = {"type": "network", "id": endpoint.network_id, "attributes": shown}
        told["start"].append({**one, "action": "connect"})
        told["end"].append({**one, "action": "disconnect"})
    for mount in container.mounts:
        if mount.type != "volume":
            continue
        one = {"type": "volume", "id": mount.name}
        unmounted = {**held, "driver": "local"}
        mounted = {
            **unmounted,
            "destination": mount.target,
            "propagation": "",
            "read/write": "false" if mount.read_only else "true",
        }
        told["start"].append({**one, "action": "mount", "attributes": mounted})
        told["end"].append({**one, "action": "unmount", "attributes": unmounted})
    return told


def layer_trees(paths: Paths, chain_ids: Sequence[str]) -> tuple[str, ...]:
    """The directories of an image's chain, top first."""
    return tuple(paths.layer(chain_id) for chain_id in reversed(chain_ids))


def _locations(paths: Paths, container_id: str) -> dict[str, str]:
    return {
        "state_path": paths.container_state(container_id),
        "log_path": paths.container_log(container_id),
        "log_index_path": paths.container_log_index(container_id),
        "events_path": paths.events,
        "lock_path": paths.container_lock(container_id),
        "socket_path": paths.container_socket(container_id),
        "run_dir": paths.container_run(container_id),
    }


def _asked(names: tuple[str, ...]) -> set[str]:
    return {name.upper().removeprefix("CAP_") for name in names}
