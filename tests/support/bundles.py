"""Owns small bundles for tests of the shim: a busybox root, the engine's usual mounts, cgroups of their own."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.paths import Paths

DEFAULT_CAPABILITIES = 0xA80425FB
"""Docker's fourteen."""
CAPABILITIES = {
    "bounding": DEFAULT_CAPABILITIES,
    "permitted": DEFAULT_CAPABILITIES,
    "effective": DEFAULT_CAPABILITIES,
    "inheritable": 0,
    "ambient": 0,
}
_CGROUPS = "/sys/fs/cgroup"
_KERNEL = ["nosuid", "noexec", "nodev"]


def make_bundle(paths: Paths, tree: str, *args: str, **changes: Any) -> dict[str, Any]:
    """A bundle that runs ``args`` on ``tree``; ``changes`` replace its fields, ``process`` is merged."""
    container_id = secrets.token_hex(32)
    for folder in (paths.container_upper(container_id), paths.container_work(container_id)):
        os.makedirs(folder)
    process = {
        "args": list(args),
        "env": ["PATH=/bin:/sbin:/usr/bin:/usr/sbin", "COLOUR=blue"],
        "cwd": "/",
        "user": "",
        "groups": [],
        "capabilities": CAPABILITIES,
        "no_new_privileges": False,
        "rlimits": [],
        "oom_score_adj": None,
        "init": False,
        **changes.pop("process", {}),
    }
    return {
        "version": 1,
        "id": container_id,
        "name": "tested",
        **_locations(paths, container_id),
        "event_attributes": {"name": "tested", "image": "busybox"},
        "step": False,
        "tty": False,
        "stdin_open": False,
        "size": None,
        "auto_remove": False,
        "remove_paths": [],
        "rootfs": {
            "lower": [tree],
            "upper": paths.container_upper(container_id),
            "work": paths.container_work(container_id),
            "volatile": False,
            "read_only": False,
        },
        "namespaces": ["pid", "mount", "uts", "ipc", "net", "cgroup"],
        "joins": [],
        "hostname": "box",
        "mounts": _mounts(),
        "devices": [
            {"path": f"/dev/{name}", "major": 1, "minor": minor, "mode": 0o666, "uid": 0, "gid": 0}
            for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9))
        ],
        "masked_paths": ["/proc/kcore", "/proc/keys", "/sys/firmware", "/proc/acpi"],
        "readonly_paths": ["/proc/sys", "/proc/sysrq-trigger"],
        "process": process,
        "cgroup": make_cgroup(container_id),
        "network": None,
        "stop_signal": 15,
        "exec_defaults": {name: process[name] for name in ("env", "cwd", "user", "groups", "capabilities")},
        **changes,
    }


def make_cgroup(container_id: str) -> dict[str, Any]:
    """The ``cgroup`` object for this machine: pids and freezer of v1, or a group of v2; empty without either."""
    empty: dict[str, Any] = {"create": [], "writes": [], "procs": [], "kill": [], "supervisor_procs": []}
    empty["memory_events"] = None
    if os.path.exists(f"{_CGROUPS}/cgroup.procs"):
        group = f"{_CGROUPS}/tuidock/{container_id}"
        freezer = {"version": 2, "dir": group}
        return {
            **empty,
            "create": [group],
            "procs": [f"{group}/cgroup.procs"],
            "kill": [group],
            "freezer": freezer,
        }
    controllers = [name for name in ("pids", "freezer", "memory") if os.path.isdir(f"{_CGROUPS}/{name}")]
    groups = [f"{_CGROUPS}/{name}/tuidock/{container_id}" for name in controllers]
    plan = {**empty, "create": groups, "procs": [f"{group}/tasks" for group in groups], "kill": groups}
    if "freezer" in controllers:
        plan["freezer"] = {"version": 1, "dir": f"{_CGROUPS}/freezer/tuidock/{container_id}"}
    if "memory" in controllers:
        plan["memory_events"] = f"{_CGROUPS}/memory/tuidock/{container_id}/memory.oom_control"
    return plan


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


def _mounts() -> list[dict[str, Any]]:
    pts = "newinstance,ptmxmode=0666,mode=0620,gid=5"
    return [
        {"type": "proc", "source": "proc", "target": "/proc", "flags": _KERNEL, "data": ""},
        {"type": "tmpfs", "source": "tmpfs", "target": "/dev", "flags": ["nosuid"], "data": "mode=755"},
        {
            "type": "devpts",
            "source": "devpts",
            "target": "/dev/pts",
            "flags": ["nosuid", "noexec"],
            "data": pts,
        },
        {"type": "tmpfs", "source": "shm", "target": "/dev/shm", "flags": _KERNEL, "data": "mode=1777"},
        {"type": "sysfs", "source": "sysfs", "target": "/sys", "flags": [*_KERNEL, "ro"], "data": ""},
    ]


def mount_exclusively(arguments: dict[str, Any], _fds: list[int]) -> str:
    """In a worker: mount an overlay that refuses an upper directory in use; "mounted" or the error."""
    from engine.shim import linux
    from engine.shim.overlay import private_mounts

    rootfs = arguments["rootfs"]
    private_mounts()
    options = f"lowerdir={rootfs['lower'][0]},upperdir={rootfs['upper']},workdir={rootfs['work']},index=on"
    try:
        linux.mount("overlay", rootfs["upper"], "overlay", 0, options)
    except OSError as error:
        return str(error)
    linux.umount2(rootfs["upper"])
    return "mounted"
