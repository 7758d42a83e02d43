"""Owns the bundle of a RUN step: the tree, the network and the process as a supervisor executes them; pure.

A step has what a container has (the same namespaces, capabilities, masked paths), but no log and no record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.build.edits import DEFAULT_PATH
from engine.options import Resources
from engine.runtime.capabilities import capability_bits, capability_names, capability_sets, without_devices
from engine.runtime.cgroups import HostCgroups, cgroup_plan
from engine.runtime.mounts import Mount, device_nodes, mount_plan

if TYPE_CHECKING:
    from engine.build.operations import RunOperation

HOSTNAME = "buildkitsandbox"
"""What Docker's steps are called; the same for every step, as some programs write it into files."""
_VERSION = 1
_NAMESPACES = ("pid", "mount", "uts", "ipc", "cgroup")


class StepPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a step runs: its ``folder`` (upper, work, init, files), the trees below, the network.

    ``files`` are targets in the tree to the files on the host that are bound there.
    """

    step_id: str
    folder: str
    lower: tuple[str, ...]
    files: dict[str, str]
    network: dict[str, Any] | None
    new_network: bool
    cgroups: HostCgroups
    seccomp: dict[str, Any] | None = None


def step_bundle(operation: RunOperation, place: StepPlace) -> dict[str, Any]:
    """The bundle that ``Launcher.run_step`` takes."""
    plan = mount_plan(place.cgroups, place.step_id, (), place.files)
    mounts = [*plan.mounts]
    if operation.script:
        mounts.append(Mount("bind", f"{place.folder}/script", operation.args[0], ("bind", "rprivate", "ro")))
    return {
        "version": _VERSION,
        "id": place.step_id,
        "name": place.step_id[:12],
        "step": True,
        "tty": False,
        "stdin_open": False,
        "size": None,
        "auto_remove": False,
        "remove_paths": [],
        "rootfs": {
            "lower": [f"{place.folder}/init", *place.lower],
            "upper": f"{place.folder}/upper",
            "work": f"{place.folder}/work",
            "volatile": True,
            "read_only": False,
            "nodev": not place.cgroups.guards_devices,
        },
        "namespaces": [*_NAMESPACES, "net"] if place.new_network else [*_NAMESPACES],
        "joins": [],
        "hostname": HOSTNAME,
        "mounts": [msgspec.to_builtins(mount) for mount in mounts],
        "devices": device_nodes(),
        "masked_paths": list(plan.masked_paths),
        "readonly_paths": list(plan.readonly_paths),
        "process": _process(operation, place),
        "init_path": None,
        "cgroup": cgroup_plan(place.cgroups, place.step_id, Resources()).bundle(),
        "network": place.network,
        "stop_signal": 15,
    }


def _process(operation: RunOperation, place: StepPlace) -> dict[str, Any]:
    names = without_devices(capability_names(), place.cgroups)
    env = {"PATH": f"PATH={DEFAULT_PATH}"}
    env.update((item.partition("=")[0], item) for item in (*operation.proxies, *operation.env))
    return {
        "args": list(operation.args),
        "env": list(env.values()),
        "cwd": operation.cwd,
        "user": operation.user,
        "groups": [],
        "capabilities": capability_sets(capability_bits(names)),
        "no_new_privileges": False,
        "seccomp": place.seccomp,
        "rlimits": [],
        "oom_score_adj": None,
        "init": False,
    }
