"""Owns turning the mounts that were asked for into the container's mount points, and their bind sources.

Source: moby daemon/volumes.go and volume/mounts/linux_parser.go. Refuses to mount anything.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.errors import InvalidInput
from engine.records import MountPoint
from engine.runtime.file_systems import tmpfs_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.options import CreateOptions, MountSpec
    from engine.paths import Paths

_VOLUME_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+\Z")
_TYPES = ("bind", "volume", "tmpfs")
_PROPAGATIONS = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})


def mount_points(
    paths: Paths,
    options: CreateOptions,
    volumes: Mapping[str, object],
    inherited: Iterable[MountPoint] = (),
) -> tuple[MountPoint, ...]:
    """The user's mounts, those ``inherited`` elsewhere, and anonymous volumes where the image wants any."""
    points = [_point(paths, spec) for spec in options.mounts]
    targets = [point.target for point in points]
    for target in targets:
        if targets.count(target) > 1:
            raise InvalidInput("", f"Duplicate mount point: {target}")
    # Of two containers that have a mount at one place the later one's counts.
    last = {point.target: point for point in inherited if point.target not in targets}
    points += last.values()
    targets += last
    for target in map(_clean, volumes):
        if target not in targets:
            points.append(_volume(paths, "", target))
            targets.append(target)
    return tuple(points)


def make_bind_sources(specs: Iterable[MountSpec]) -> list[str]:
    """Make the folders of missing bind sources that ``-v`` named; the folders made, parents first.

    InvalidInput for a missing source of ``--mount``, before any is made.
    """
    missing = [spec for spec in specs if spec.type == "bind" and not os.path.lexists(spec.source)]
    for spec in missing:
        if not spec.create_source:
            raise InvalidInput(
                "",
                f'invalid mount config for type "bind": bind source path does not exist: {spec.source}',
                remedy="make it first, or use -v, which makes a folder",
            )
    made: list[str] = []
    for spec in missing:
        _make_folder(spec.source, made)
    return made


def check_volume_name(name: str) -> str:
    """``name``, or InvalidInput in Docker's words."""
    if not _VOLUME_NAME.match(name):
        raise InvalidInput(
            "",
            f'"{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed',
            remedy="for a directory of the host give its absolute path",
        )
    return name


def make_volume_folder(paths: Paths, name: str) -> None:
    """The volume's data folder, unless it is there; raises OSError."""
    umask = os.umask(0)
    try:
        os.makedirs(os.path.dirname(paths.volume(name)), 0o711, exist_ok=True)
        os.makedirs(paths.volume(name), 0o755, exist_ok=True)
    finally:
        os.umask(umask)


def anonymous_volume_name() -> str:
    """64 hex digits, as Docker names them."""
    return os.urandom(32).hex()


def _point(paths: Paths, spec: MountSpec) -> MountPoint:
    if spec.type not in _TYPES:
        raise InvalidInput(
            "",
            f'invalid mount config for type "{spec.type}": mount type unknown',
            remedy="use bind, volume or tmpfs",
        )
    target = _clean(spec.target)
    _check_source(spec)
    if spec.type == "volume":
        point = _volume(paths, spec.source, target, read_only=spec.read_only)
        mode = spec.mode or ("z" if spec.source else "")
        return replace(
            point, subpath=_subpath(spec.subpath), no_copy=spec.no_copy, mode=mode, short=spec.short
        )
    if spec.type == "tmpfs":
        tmpfs_options(spec.tmpfs_options)
        return MountPoint(
            type="tmpfs",
            source="",
            target=target,
            read_only=spec.read_only,
            tmpfs_size=spec.tmpfs_size,
            tmpfs_mode=spec.tmpfs_mode,
            tmpfs_options=spec.tmpfs_options,
            short=spec.short,
        )
    return MountPoint(
        type="bind",
        source=os.path.normpath(spec.source),
        target=target,
        read_only=spec.read_only,
        propagation=spec.propagation,
        recursive=spec.recursive,
        mode=spec.mode,
        short=spec.short,
    )


def _check_source(spec: MountSpec) -> None:
    wrong = ""
    if spec.type == "tmpfs" and spec.source:
        wrong = "field Source must not be specified"
    elif spec.type == "bind" and not spec.source:
        wrong = "field Source must not be empty"
    elif spec.type == "bind" and not spec.source.startswith("/"):
        wrong = f"invalid mount path: '{spec.source}' mount path must be absolute"
    elif spec.type == "bind" and spec.propagation not in _PROPAGATIONS:
        wrong = f"invalid propagation mode: {spec.propagation}"
    if wrong:
        raise InvalidInput("", f'invalid mount config for type "{spec.type}": {wrong}')


def _subpath(path: str) -> str:
    """The folder of a volume that is mounted, or InvalidInput if it is not said to be inside it."""
    if path.startswith("/") or ".." in path.split("/"):
        raise InvalidInput(
            "", 'invalid mount config for type "volume": subpath must be a relative path within the volume'
        )
    return os.path.normpath(path) if path else ""


def _volume(paths: Paths, name: str, target: str, *, read_only: bool = False) -> MountPoint:
    chosen = check_volume_name(name) if name else anonymous_volume_name()
    return MountPoint(
        type="volume",
        source=paths.volume(chosen),
        target=target,
        name=chosen,
        read_only=read_only,
        anonymous=not name,
    )


def _clean(target: str) -> str:
    if not target.startswith("/"):
        raise InvalidInput("", f"invalid mount path: '{target}' mount path must be absolute")
    cleaned = "/" + os.path.normpath(target).lstrip("/")
    if cleaned == "/":
        raise InvalidInput("", "invalid mount: destination can't be '/'")
    return cleaned


def _make_folder(path: str, made: list[str]) -> None:
    if os.path.isdir(path):
        return
    _make_folder(os.path.dirname(path), made)
    try:
        os.mkdir(path, 0o755)
    except OSError as error:
        for folder in reversed(made):
            os.rmdir(folder)
        raise InvalidInput(
            "", f"error while creating mount source path '{path}': {error.strerror}"
        ) from error
    made.append(path)
