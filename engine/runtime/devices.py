"""Owns which devices of the host a container gets: ``--device``, rules of its own, and those of CDI names.

What it finds are nodes for the bundle and rules for the device controller, in the form of devices.allow.
Refuses to make or open any. Sources: moby daemon/oci_linux.go (WithDevices) and oci/devices_linux.go; the
kernel's cgroup-v1 devices document.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

import msgspec

from engine.errors import CommandNotFound, InvalidInput, RuntimeFailure
from engine.runtime.mounts import Mount

if TYPE_CHECKING:
    from engine.options import CreateOptions, DeviceSpec

_RULE = r"[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}"
_KINDS = {stat.S_IFCHR: "c", stat.S_IFBLK: "b"}


class Devices(msgspec.Struct, frozen=True, kw_only=True):
    """What is added to a container for its devices: those, and what a CDI specification adds with them."""

    nodes: tuple[dict[str, object], ...] = ()
    """path, source (on the host), type (c, b), major, minor, mode, uid, gid."""
    rules: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    groups: tuple[str, ...] = ()


NONE = Devices()


def check_devices(options: CreateOptions) -> None:
    """InvalidInput, in Docker's words, for what cannot be meant; the host is asked at start."""
    for spec in options.devices:
        if not spec.path_in_container.startswith("/"):
            raise InvalidInput("", f"{spec.path_in_container} is not an absolute path")
        if not spec.permissions or set(spec.permissions) - set("rwm"):
            raise InvalidInput("", f"bad mode specified: {spec.permissions}")
    for rule in options.device_cgroup_rules:
        if not re.fullmatch(_RULE, rule):
            raise InvalidInput("", f"invalid device cgroup rule format: '{rule}'")


def find_devices(options: CreateOptions) -> Devices:
    """The devices that ``options`` name, as the host has them now.

    RuntimeFailure where one is not there or is no device, or for an unknown CDI name.
    """
    nodes: list[dict[str, object]] = []
    rules: list[str] = []
    for spec in options.devices:
        for node in _nodes(spec):
            nodes.append(node)
            rules.append(rule_of(node, spec.permissions))
    for rule in options.device_cgroup_rules:
        rules += _kernel_rules(rule)
    found = Devices(nodes=tuple(nodes), rules=tuple(rules))
    if not options.cdi_devices:
        return found
    from engine.runtime.cdi import injected  # few containers have any

    more = injected(options.cdi_devices)
    return Devices(
        nodes=found.nodes + more.nodes,
        rules=found.rules + more.rules,
        env=more.env,
        mounts=more.mounts,
        groups=more.groups,
    )


def node_at(path: str, name: str) -> dict[str, object] | None:
    """The device node ``path`` of the host, to be called ``name``; None if it is something else. OSError."""
    status = os.lstat(path)
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        return None
    return {
        "path": name,
        "source": path,
        "type": kind,
        "major": os.major(status.st_rdev),
        "minor": os.minor(status.st_rdev),
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
    }


def rule_of(node: dict[str, object], permissions: str) -> str:
    """What allows ``permissions`` (of r, w, m) on the device."""
    return f"{node['type']} {node['major']}:{node['minor']} {permissions}"


def _nodes(spec: DeviceSpec) -> list[dict[str, object]]:
    """The device, or every one in the folder, whichever ``spec`` names; a link is followed."""
    path, name = os.path.realpath(spec.path_on_host), os.path.normpath(spec.path_in_container)
    what = f'error gathering device information while adding custom device "{spec.path_on_host}"'
    try:
        node = node_at(path, name)
    except FileNotFoundError as error:
        # Docker's command line exits with 127 for whatever is not there.
        raise CommandNotFound(what, reason="no such file or directory") from error
    except OSError as error:
        raise RuntimeFailure(what, reason=(error.strerror or str(error)).lower()) from error
    found = [node] if node else [made for made in map(_node_if_any, _below(path, name)) if made]
    if not found:
        raise RuntimeFailure(what, reason="not a device node")
    return found


def _below(path: str, name: str) -> list[tuple[str, str]]:
    return [
        (f"{folder}/{file}", f"{name}{folder.removeprefix(path)}/{file}")
        for folder, _, files in os.walk(path)
        for file in sorted(files)
    ]


def _node_if_any(paths: tuple[str, str]) -> dict[str, object] | None:
    try:
        return node_at(*paths)
    except OSError:
        return None  # it has gone since, as devices do


def _kernel_rules(rule: str) -> list[str]:
    """The kernel reads "a" as everything whatever follows it: said by kind it means what it says."""
    kind, _, rest = rule.partition(" ")
    return [f"{one} {rest}" for one in ("c", "b")] if kind == "a" else [rule]
