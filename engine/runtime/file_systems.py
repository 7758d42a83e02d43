"""Owns the options of mounts that carry a file system of their own: tmpfs, and the local volume driver's.

Sources: moby pkg/mount (MergeTmpfsOptions), volume/local (options type, o, device). Pure; refuses to mount.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OPPOSITES = (
    ("ro", "rw"), ("exec", "noexec"), ("suid", "nosuid"), ("dev", "nodev"), ("sync", "async"),
    ("atime", "noatime"), ("diratime", "nodiratime"), ("strictatime", "relatime"),
)  # fmt: skip
_FLAGS = frozenset({word for pair in _OPPOSITES for word in pair} | {"dirsync"})
_DEFAULTS = frozenset({"rw", "exec", "suid", "dev", "async", "atime", "diratime"})
"""What a mount is without being told."""
_PROPAGATIONS = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})
_TMPFS_VALUES = frozenset({"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"})
_SIZE = re.compile(r"[0-9]+[kmgtKMGT%]?\Z")
_OCTAL = re.compile(r"[0-7]{1,5}\Z")
_BINDS = frozenset({"bind", "rbind"})
_NETWORKED = frozenset({"nfs", "nfs3", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs"})
_DRIVERS = frozenset({"", "local"})
_KEYS = frozenset({"type", "o", "device"})


def tmpfs_options(options: Iterable[str], before: Iterable[str] = ()) -> tuple[tuple[str, ...], str]:
    """(flags, data) of a tmpfs with ``options``, a later one over an earlier, all over ``before``."""
    flags, values = _merged([*before, *options])
    for name, value in values.items():
        form = _OCTAL if name == "mode" else _SIZE
        if name not in _TMPFS_VALUES or (name != "mpol" and not form.match(value)):
            raise InvalidInput("", f'invalid tmpfs option "{name}{"=" if value else ""}{value}"')
    return flags, ",".join(f"{name}={value}" for name, value in values.items())


def check_driver(name: str, driver: str) -> None:
    """InvalidInput, in Docker's words, for a driver that there is not."""
    if driver not in _DRIVERS:
        reason = f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found'
        raise InvalidInput("", reason, remedy="local is the only driver")


def check_volume_options(name: str, options: Mapping[str, str]) -> None:
    """InvalidInput, in Docker's words, for options that the local driver cannot carry out."""
    for key in options:
        if key not in _KEYS:
            raise InvalidInput("", f'create {name}: invalid option: "{key}"', remedy="type, o and device are")
    if not options:
        return
    kind, device = options.get("type", ""), options.get("device", "")
    binds = is_bind(options)
    if not device:
        raise InvalidInput("", f"create {name}: missing device in volume options")
    if not kind and not binds:
        raise InvalidInput("", f"create {name}: missing type in volume options")
    if kind in _NETWORKED:
        raise InvalidInput(
            "",
            f"create {name}: volumes of type {kind} are not supported",
            remedy="mount it on the host, then use -o type=none -o o=bind -o device=/the/folder",
        )
    if binds and not device.startswith("/"):
        raise InvalidInput("", f"create {name}: the device of a bind must be an absolute path: {device}")


def is_bind(options: Mapping[str, str]) -> bool:
    """Whether the local driver's options mean a folder of the host."""
    return bool(_BINDS & set(options.get("o", "").split(",")))


def bind_flags(options: Mapping[str, str]) -> tuple[str, ...]:
    """The flags of such a folder's mount: rbind or bind, and what ``o`` says besides."""
    words = options.get("o", "").split(",")
    flags, _ = _merged(word for word in words if word not in _BINDS)
    return ("rbind" if "rbind" in words else "bind", *flags)


def mount_options(options: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    """(flags, data) of the file system that the local driver's options describe."""
    flags, values = _merged(filter(None, options.get("o", "").split(",")))
    return flags, ",".join(f"{name}={value}" if value else name for name, value in values.items())


def _merged(options: Iterable[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    flags: dict[str, None] = {}
    values: dict[str, str] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if equals or name not in _FLAGS | _PROPAGATIONS:
            values[name] = value
            continue
        for pair in _OPPOSITES:
            if name in pair:
                for word in pair:
                    flags.pop(word, None)
        flags[name] = None
    return tuple(flag for flag in flags if flag not in _DEFAULTS), values
