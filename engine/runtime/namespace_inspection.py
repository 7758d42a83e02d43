"""Owns how ``inspect`` shows what a container shares and is confined by: members of HostConfig; pure.

Source: Docker Engine API, ContainerInspect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.runtime.mounts import MASKED_PATHS, READONLY_PATHS

if TYPE_CHECKING:
    from engine.options import CreateOptions


def shown_namespaces(options: CreateOptions) -> dict[str, Any]:
    """The modes, groups, annotations, and the paths of /proc and /sys that are hidden or protected."""
    unconfined = options.privileged or options.systempaths_unconfined
    shown: dict[str, Any] = {
        "CgroupnsMode": options.cgroupns or "private",
        "IpcMode": options.ipc or "private",
        "PidMode": "" if options.pid == "private" else options.pid,
        "UTSMode": "" if options.uts == "private" else options.uts,
        "UsernsMode": options.userns,
        "GroupAdd": list(options.group_add) or None,
        "MaskedPaths": [] if unconfined else list(MASKED_PATHS),
        "ReadonlyPaths": [] if unconfined else list(READONLY_PATHS),
    }
    if options.annotations:
        shown["Annotations"] = options.annotations
    return shown
