"""Owns the flags of what a container finds mounted: volumes, binds, tmpfs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli.command import SpecError
from tuidock.cli.flags import many, text
from tuidock.cli.specs import mounts
from tuidock.cli.specs.every import every

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.options import MountSpec
    from tuidock.cli.command import Invocation

FLAGS = (
    many("mount", "Attach a filesystem mount to the container", kind="mount", convert=mounts.mount),
    many("tmpfs", "Mount a tmpfs directory"),
    many("volume", "Bind mount a volume", "v"),
    text("volume-driver", "Optional volume driver for the container"),
    many("volumes-from", "Mount volumes from the specified container(s)"),
)


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set."""
    return {
        "mounts": _mounts(invocation),
        "volumes_from": every(mounts.volumes_from, invocation.many("volumes-from")),
    }


def _with_driver(specs: Iterable[MountSpec], driver: str) -> Iterable[MountSpec]:
    if not driver:
        return specs
    from msgspec.structs import replace

    return [replace(spec, driver=driver) if spec.type == "volume" else spec for spec in specs]


def _mounts(invocation: Invocation) -> tuple[MountSpec, ...]:
    found = (
        *_with_driver(every(mounts.volume, invocation.many("volume")), invocation.text("volume-driver")),
        *invocation.many("mount"),
        *every(mounts.tmpfs, invocation.many("tmpfs")),
    )
    targets: set[str] = set()
    for mount in found:
        if mount.target in targets:
            raise SpecError(f"Duplicate mount point: {mount.target}")
        targets.add(mount.target)
    return found
