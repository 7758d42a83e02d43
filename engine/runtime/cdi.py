"""Owns CDI device names (``vendor.com/class=name``): the specifications of this host, and what they add.

Source: the Container Device Interface specification (github.com/cncf-tags/container-device-interface), up to
1.0.0. Files lie in /etc/cdi and /var/run/cdi, JSON or YAML; the second folder goes before the first. Refuses
hooks, programs that would run as root between the host and a container that is half made: a container that
needs one is not started without it.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import msgspec

from engine.errors import InvalidInput, RuntimeFailure
from engine.runtime.devices import Devices, node_at, rule_of
from engine.runtime.mounts import Mount

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FOLDERS = ("/etc/cdi", "/var/run/cdi")
"""In the order of the specification: a later one goes first."""
_MOUNT_FLAGS = frozenset(
    "ro rw nosuid nodev noexec suid dev exec bind rbind private rprivate slave rslave shared rshared".split()
)


class _Spec(msgspec.Struct, rename="camel"):
    """Fields that are not named here change nothing that a container sees."""


class Node(_Spec):
    """One entry of deviceNodes."""

    path: str
    host_path: str = ""
    type: str = ""
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    permissions: str = ""
    uid: int | None = None
    gid: int | None = None


class CdiMount(_Spec):
    """One entry of mounts."""

    host_path: str
    container_path: str
    type: str = ""
    options: tuple[str, ...] = ()


class Hook(_Spec):
    """One entry of hooks: known in order to be refused."""

    hook_name: str = ""
    path: str = ""


class Edits(_Spec):
    """containerEdits."""

    env: tuple[str, ...] = ()
    device_nodes: tuple[Node, ...] = ()
    mounts: tuple[CdiMount, ...] = ()
    hooks: tuple[Hook, ...] = ()
    additional_gids: tuple[int, ...] = msgspec.field(default=(), name="additionalGids")
    intel_rdt: dict[str, object] | None = msgspec.field(default=None, name="intelRdt")
    net_devices: tuple[dict[str, object], ...] = msgspec.field(default=(), name="netDevices")


class Device(_Spec):
    """One entry of devices."""

    name: str
    container_edits: Edits = msgspec.field(default_factory=Edits)


class Specification(_Spec):
    """One file."""

    cdi_version: str = msgspec.field(name="cdiVersion")
    kind: str
    devices: tuple[Device, ...] = ()
    container_edits: Edits = msgspec.field(default_factory=Edits)


def injected(names: Iterable[str], folders: Sequence[str] = FOLDERS) -> Devices:
    """What the specifications add for the devices ``names``; each file's own edits once, before its devices'.

    RuntimeFailure for a name that no specification has, InvalidInput for what a container cannot be given.
    """
    specifications, broken = read_all(folders)
    edits: list[Edits] = []
    seen: set[int] = set()
    for name in dict.fromkeys(names):
        specification, device = _find(name, specifications, broken)
        if id(specification) not in seen:
            seen.add(id(specification))
            edits.append(specification.container_edits)
        edits.append(device.container_edits)
    for one in edits:
        _refuse_what_is_not_done(one)
    made = [_made(node) for one in edits for node in one.device_nodes]
    return Devices(
        nodes=tuple(node for node, _ in made),
        rules=tuple(rule for _, rule in made),
        env=tuple(pair for one in edits for pair in one.env),
        mounts=tuple(_mount(mount) for one in edits for mount in one.mounts),
        groups=tuple(dict.fromkeys(str(gid) for one in edits for gid in one.additional_gids if gid)),
    )


def read_all(folders: Sequence[str] = FOLDERS) -> tuple[list[Specification], list[str]]:
    """The specifications, most important first, and what is wrong with files that are none."""
    found: list[Specification] = []
    broken: list[str] = []
    for folder in reversed(folders):
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            if name.endswith((".json", ".yaml", ".yml")):
                try:
                    found.append(_read(f"{folder}/{name}"))
                except (OSError, msgspec.MsgspecError) as error:
                    broken.append(f"{folder}/{name}: {error}")
    return found, broken


def _read(path: str) -> Specification:
    with open(path, "rb") as file:
        content = file.read()
    if path.endswith(".json"):
        return msgspec.json.decode(content, type=Specification)
    return msgspec.yaml.decode(content, type=Specification)


def _find(name: str, among: list[Specification], broken: list[str]) -> tuple[Specification, Device]:
    kind, _, wanted = name.partition("=")
    for specification in among:
        if specification.kind == kind:
            for device in specification.devices:
                if device.name == wanted:
                    return specification, device
    remedy = f"unreadable: {'; '.join(broken)}" if broken else f"its specification belongs in {FOLDERS[0]}"
    reason = f"unresolvable CDI devices {name}"
    raise RuntimeFailure("CDI device injection failed", reason=reason, remedy=remedy)


def _refuse_what_is_not_done(edits: Edits) -> None:
    if edits.hooks:
        what = f"CDI hook {edits.hooks[0].hook_name} {edits.hooks[0].path}"
        remedy = "write the specification without hooks, and mount what they would have made"
        raise InvalidInput(what, "hooks are not run by this version", remedy=remedy)
    if edits.intel_rdt is not None or edits.net_devices:
        raise InvalidInput("CDI", "intelRdt and netDevices are not supported by this version")


def _made(node: Node) -> tuple[dict[str, object], str]:
    """The bundle's node, and the rule that allows it: what is not given is the host's."""
    source = node.host_path or node.path
    known = {"path": node.path, "source": source, "type": node.type, "major": node.major, "minor": node.minor}
    if node.type in {"", "b", "c", "u"} and not (node.type and node.major):
        try:
            host = node_at(os.path.realpath(source), node.path)
        except OSError as error:
            raise RuntimeFailure(
                f"CDI device node {source}", reason=(error.strerror or str(error)).lower()
            ) from error
        if host is None:
            raise RuntimeFailure(f"CDI device node {source}", reason="not a device node")
        known = host
    elif node.type not in {"b", "c", "u"}:
        raise InvalidInput("CDI", f"device node {node.path} has the unknown type {node.type}")
    if known["type"] == "u":
        known["type"] = "c"
    made: dict[str, object] = {"mode": 0o666, "uid": 0, "gid": 0, **known}
    given = {"mode": node.file_mode and stat.S_IMODE(node.file_mode), "uid": node.uid, "gid": node.gid}
    made.update({field: value for field, value in given.items() if value is not None})
    return made, rule_of(made, node.permissions or "rwm")


def _mount(mount: CdiMount) -> Mount:
    if mount.type == "tmpfs":
        flags = tuple(option for option in mount.options if option in _MOUNT_FLAGS)
        data = ",".join(option for option in mount.options if option not in _MOUNT_FLAGS)
        return Mount("tmpfs", "tmpfs", mount.container_path, flags, data)
    for option in mount.options:
        if option not in _MOUNT_FLAGS:
            raise InvalidInput("CDI", f"mount {mount.container_path} has the unknown option {option}")
    bind = () if {"bind", "rbind"} & set(mount.options) else ("rbind", "rprivate")
    return Mount("bind", mount.host_path, mount.container_path, (*bind, *mount.options))
