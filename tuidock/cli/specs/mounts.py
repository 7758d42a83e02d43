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
_TYPES = frozenset({"bind", "volume", "tmpfs"})
_OPTIONS = frozenset(
    "readonly consistency bind-propagation bind-recursive bind-nonrecursive bind-create-src volume-nocopy"
    " volume-subpath volume-label volume-driver volume-opt tmpfs-size tmpfs-mode".split()
)
_TMPFS_VALUES = frozenset({"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"})
_TMPFS_FLAGS = frozenset(
    "ro rw exec noexec suid nosuid dev nodev sync async dirsync atime noatime diratime nodiratime"
    " relatime strictatime".split()
)
_KEYS = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
}
_SWITCHES = frozenset({"readonly", "volume-nocopy", "bind-nonrecursive", "bind-create-src"})
_RECURSIVE = ("enabled", "disabled", "writable", "readonly")
_MAPS = frozenset({"volume-label", "volume-opt"})


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
        return MountSpec(type="volume", target=_target(parts[0], spec), short=True)
    source, target = parts[0], _target(parts[1], spec)
    if source.startswith((".", "/")):
        mount = MountSpec(
            type="bind", source=os.path.abspath(source), target=target, create_source=True, short=True
        )
    elif re.fullmatch(_VOLUME_NAME, source):
        mount = MountSpec(type="volume", source=source, target=target, short=True)
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
    target, source = fields.pop("target", ""), fields.pop("source", "")
    if not target:
        raise ValueError("target is required")
    _refuse_foreign(kind, fields)
    if kind == "bind":
        source = os.path.abspath(source) if source.startswith(".") else source
    return MountSpec(
        type=kind,
        source=source,
        target=_target(target, spec),
        read_only=_on(fields, "readonly"),
        propagation=fields.get("bind-propagation", "rprivate"),
        recursive=_recursive(fields),
        create_source=_on(fields, "bind-create-src"),
        no_copy=_on(fields, "volume-nocopy"),
        subpath=fields.get("volume-subpath", ""),
        driver=fields.get("volume-driver", ""),
        labels=_map(fields.get("volume-label", "")),
        driver_options=_map(fields.get("volume-opt", "")),
        tmpfs_size=_tmpfs_size(fields.get("tmpfs-size", "0")),
        tmpfs_mode=_mode(fields.get("tmpfs-mode", "1777")),
    )


def _recursive(fields: dict[str, str]) -> str:
    """How far a bind goes, by ``bind-recursive`` or the older ``bind-nonrecursive``."""
    value = fields.get("bind-recursive", "disabled" if _on(fields, "bind-nonrecursive") else "enabled")
    if value not in _RECURSIVE:
        raise ValueError(
            f"invalid value for bind-recursive: {value}"
            ' (must be "enabled", "disabled", "writable", or "readonly")'
        )
    conjunction = f"option 'bind-recursive={value}' requires"
    if value in {"writable", "readonly"} and not _on(fields, "readonly"):
        raise ValueError(f"{conjunction} 'readonly' to be specified in conjunction")
    if value == "readonly" and fields.get("bind-propagation") != "rprivate":
        raise ValueError(f"{conjunction} 'bind-propagation=rprivate' to be specified in conjunction")
    return value


def _map(lines: str) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition("=") for line in lines.split("\n") if line)}


def tmpfs(spec: str) -> MountSpec:
    """One ``--tmpfs TARGET[:size=64m,mode=1777,uid=5,exec]``; nosuid, nodev and noexec unless it says not."""
    target, _, text = spec.partition(":")
    if not target.startswith("/"):
        raise ValueError(f"invalid mount path: '{target}' mount path must be absolute")
    options = tuple(filter(None, text.split(",")))
    for option in options:
        name, equals, _value = option.partition("=")
        if name not in (_TMPFS_VALUES if equals else _TMPFS_FLAGS):
            raise ValueError(f'invalid tmpfs option "{option}"')
    return MountSpec(type="tmpfs", target=_target(target, spec), tmpfs_options=options, short=True)


def volumes_from(spec: str) -> str:
    """One ``--volumes-from CONTAINER[:MODE]``, as it is; ValueError with Docker's reason."""
    name, _, modes = spec.partition(":")
    if not name:
        raise ValueError(f"invalid volumes-from specification: {spec}")
    words = set(filter(None, modes.split(",")))
    if words - {"ro", "rw", "nocopy"} - _SELINUX_LABELS or {"ro", "rw"} <= words:
        raise ValueError(f"invalid mode: {modes}")
    return spec


def _target(target: str, spec: str) -> str:
    if not target.startswith("/"):
        raise ValueError(f"invalid volume specification: '{spec}': mount path must be absolute")
    cleaned = os.path.normpath(target).replace("//", "/")
    if cleaned == "/":
        raise ValueError(f"invalid volume specification: '{spec}': destination can't be '/'")
    return cleaned


def _with_modes(mount: MountSpec, modes: str) -> MountSpec:
    mount = msgspec.structs.replace(mount, mode=modes)
    if {"ro", "rw"} <= set(modes.split(",")):
        raise ValueError(f"invalid mode: {modes}")
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
        value = value if equals else "true"
        fields[key] = f"{fields[key]}\n{value}" if key in _MAPS and key in fields else value
    return fields


def _split_csv(spec: str) -> list[str]:
    """The fields of one CSV record; a field in double quotes may hold commas."""
    if '"' not in spec:
        return spec.split(",")
    import csv

    return next(csv.reader([spec]))


def _refuse_foreign(kind: str, fields: dict[str, str]) -> None:
    for key, value in fields.items():
        if key not in _OPTIONS:
            raise ValueError(f"unexpected key '{key}' in '{key}={value}'")
    for key in fields:
        family = key.partition("-")[0]
        if family in _TYPES and family != kind:
            raise ValueError(f"cannot mix '{family}-*' options with mount type '{kind}'")
    consistency = fields.get("consistency", "default")
    if consistency not in _CONSISTENCIES:
        raise ValueError(f"invalid value for consistency: {consistency}")


def _on(fields: dict[str, str], key: str) -> bool:
    value = fields.get(key, "false")
    try:
        return scalars.boolean(value)
    except ValueError:
        raise ValueError(f"invalid value for {key}: {value}") from None


def _tmpfs_size(value: str) -> int:
    try:
        return scalars.size(value)
    except ValueError:
        raise ValueError(f"invalid value for tmpfs-size: {value}") from None


def _mode(value: str) -> int:
    if not re.fullmatch(r"[0-7]{1,5}", value):
        raise ValueError(f"invalid value for tmpfs-mode: {value}")
    return int(value, 8)
