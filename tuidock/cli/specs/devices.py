"""Owns ``--device`` and ``--device-cgroup-rule``: what users write, checked; refuses to look at the host.

Source: docker/cli command/container/opts.go (parseLinuxDevice, validateLinuxPath, validateDeviceCgroupRule);
the names of CDI devices: container-device-interface pkg/parser.
"""

from __future__ import annotations

import os
import re

from engine.options import DeviceSpec

_RULE = r"[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}"
_CDI = (
    r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]/[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?"
    r"=[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?"
)


def device(value: str) -> DeviceSpec | str:
    """A device of the host (``HOST[:CONTAINER][:rwm]``), or the CDI name that ``value`` is; ValueError."""
    if re.fullmatch(_CDI, value):
        return value
    host, *rest = value.split(":")
    name, permissions = host, "rwm"
    if not host:
        raise ValueError(f"bad format for path: {value}")
    match rest:
        case []:
            pass
        case [word]:
            name, permissions = (host, word) if _is_mode(word) else (word, permissions)
        case [name, permissions]:
            if not _is_mode(permissions):
                raise ValueError(f"bad mode specified: {permissions}")
        case _:
            raise ValueError(f"bad format for path: {value}")
    if not name.startswith("/"):
        raise ValueError(f"{name} is not an absolute path")
    return DeviceSpec(path_on_host=host, path_in_container=os.path.normpath(name), permissions=permissions)


def cgroup_rule(value: str) -> str:
    """``value`` itself; ValueError if it is no rule of the device controller."""
    if not re.fullmatch(_RULE, value):
        raise ValueError(f"invalid device cgroup format '{value}'")
    return value


def _is_mode(word: str) -> bool:
    return bool(word) and set(word) <= set("rwm") and len(set(word)) == len(word)
