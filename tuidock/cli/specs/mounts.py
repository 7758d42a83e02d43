"""Owns ``-v``, ``--mount`` and ``--tmpfs``: what users write as MountSpecs; refuses to touch the sources.

Sources: docker/cli opts/mount.go and compose/loader/volume.go; moby volume/mounts/linux_parser.go.
"""

from __future__ import annotations

import os
import re

import msgspec

from engine.options import MountSpec
from tuidock.cli.specs import scalars

_VOLUME_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
_PROPAGATIONS = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})
_CONSISTENCIES = frozenset({"default", "consistent", "cached", "delegated"})
_SELINUX_LABELS = frozenset({"z", "Z"})
_MOST_PARTS = 3
_KEYS = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
}
_SWITCHES = frozenset({"readonly", "volume-nocopy"})


def volume(spec: str) -> MountSpec:
    """One ``-v [SOURCE:]TARGET[:OPTIONS]``; ValueError with Docker's reason."""
    parts = spec.split(":")
    if len(parts) > _MOST_PARTS:
        raise ValueError(f"invalid spec: {spec}: too many colons")
    if not all(parts):
        raise ValueError(
            f"invalid spec: {spec}: empty section between colons" if spec else "invalid empty volume spec"
        )
    if len(parts) == 1:
        return MountSpec(type="volume", target=_target(parts[0], spec))
    source, target = parts[0], _target(parts[1], spec)
    if source.startswith((".", "/")):
        mount = MountSpec(type="bind", source=os.path.abspath(source), target=target, create_source=True)
    elif re.fullmatch(_VOLUME_NAME, source):
        mount = MountSpec(type="volume", source=source, target=target)
    else:
        raise ValueError(
            f'"{source}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, '
            "use absolute path"
        )
    return _with_modes(mount, parts[2] if len(parts) == _MOST_PARTS else "")


def mount(spec: str) -> MountSpec:
    """One ``--mount type=bind,source=…,target=…``; ValueError with Docker's reason."""
    fields = _fields(spec)
    kind = fields.pop("type", "volume")
    if kind not in {"bind", "volume", "tmpfs"}:
        raise ValueError(f"invalid mount type '{kind}': must be bind, volume or tmpfs")
    target, source = fields.pop("target", ""), fields.pop("source", "")
    if not target:
        raise ValueError("target is required")
    _refuse_foreign(kind, source, fields)
    if kind == "bind":
        if not source:
            raise ValueError("source is required for a bind mount")
        source = os.path.abspath(source)
    return MountSpec(
        type=kind,
        source=source,
        target=_target(target, spec),
        read_only=_on(fields, "readonly"),
        propagation=_propagation(fields.get("bind-propagation", "rprivate")),
        no_copy=_on(fields, "volume-nocopy"),
        tmpfs_size=_tmpfs_size(fields.get("tmpfs-size", "0")),
        tmpfs_mode=_mode(fields.get("tmpfs-mode", "1777")),
    )


def tmpfs(spec: str) -> MountSpec:
    """One ``--tmpfs TARGET[:size=64m,mode=1777,ro]``; it is nosuid, nodev and noexec as Docker's."""
    target, _, options = spec.partition(":")
    mount = MountSpec(type="tmpfs", target=_target(target, spec))
    for option in filter(None, options.split(",")):
        name, equals, value = option.partition("=")
        if name == "size" and equals:
            mount = msgspec.structs.replace(mount, tmpfs_size=_tmpfs_size(value))
        elif name == "mode" and equals:
            mount = msgspec.structs.replace(mount, tmpfs_mode=_mode(value))
        elif name in {"ro", "rw"} and not equals:
            mount = msgspec.structs.replace(mount, read_only=name == "ro")
        elif name not in {"nosuid", "nodev", "noexec"} or equals:
            raise ValueError(f'invalid tmpfs option "{option}"')
    return mount


def _target(target: str, spec: str) -> str:
    if not target.startswith("/"):
        raise ValueError(f"invalid volume specification: '{spec}': mount path must be absolute")
    cleaned = os.path.normpath(target).replace("//", "/")
    if cleaned == "/":
        raise ValueError(f"invalid volume specification: '{spec}': destination can't be '/'")
    return cleaned


def _with_modes(mount: MountSpec, modes: str) -> MountSpec:
    for mode in filter(None, modes.split(",")):
        if mode in {"ro", "rw"}:
            mount = msgspec.structs.replace(mount, read_only=mode == "ro")
        elif mode == "nocopy" and mount.type == "volume":
            mount = msgspec.structs.replace(mount, no_copy=True)
        elif mode in _PROPAGATIONS and mount.type == "bind":
            mount = msgspec.structs.replace(mount, propagation=mode)
        elif mode in _SELINUX_LABELS and os.path.exists("/sys/fs/selinux/enforce"):
            raise ValueError(f"invalid mode: {mode}: SELinux labels are not supported")
        # without SELinux there is nothing to label, and consistency means nothing on Linux
        elif mode not in _SELINUX_LABELS and mode not in _CONSISTENCIES:
            raise ValueError(f"invalid mode: {mode}")
    return mount


def _fields(spec: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for field in _split_csv(spec):
        name, equals, value = field.partition("=")
        key = _KEYS.get(name.lower(), name.lower())
        if not equals and key not in _SWITCHES:
            raise ValueError(f"invalid field '{field}' must be a key=value pair")
        fields[key] = value if equals else "true"
    return fields


def _split_csv(spec: str) -> list[str]:
    """The fields of one CSV record; a field in double quotes may hold commas."""
    if '"' not in spec:
        return spec.split(",")
    import csv

    return next(csv.reader([spec]))


def _refuse_foreign(kind: str, source: str, fields: dict[str, str]) -> None:
    known = {
        "bind": {"readonly", "bind-propagation", "consistency"},
        "volume": {"readonly", "volume-nocopy"},
        "tmpfs": {"readonly", "tmpfs-size", "tmpfs-mode"},
    }
    for key, value in fields.items():
        if key in known[kind]:
            continue
        if key in set().union(*known.values()):
            raise ValueError(f"cannot mix '{key}' with mount type '{kind}'")
        raise ValueError(f"unexpected key '{key}' in '{key}={value}'")
    if kind == "tmpfs" and source:
        raise ValueError("source cannot be given for a tmpfs mount")
    if kind == "volume" and source and not re.fullmatch(_VOLUME_NAME, source):
        raise ValueError(f'"{source}" is not a volume name; for a host directory give type=bind')
    consistency = fields.get("consistency", "default")
    if consistency not in _CONSISTENCIES:
        raise ValueError(f"invalid value for consistency: {consistency}")


def _on(fields: dict[str, str], key: str) -> bool:
    value = fields.get(key, "false")
    try:
        return scalars.boolean(value)
    except ValueError:
        raise ValueError(f"invalid value for {key}: {value}") from None


def _propagation(value: str) -> str:
    if value not in _PROPAGATIONS:
        raise ValueError(f"invalid value for bind-propagation: {value}")
    return value


def _tmpfs_size(value: str) -> int:
    try:
        return scalars.size(value)
    except ValueError:
        raise ValueError(f"invalid value for tmpfs-size: {value}") from None


def _mode(value: str) -> int:
    if not re.fullmatch(r"[0-7]{1,5}", value):
        raise ValueError(f"invalid value for tmpfs-mode: {value}")
    return int(value, 8)
