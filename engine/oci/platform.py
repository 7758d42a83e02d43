"""Owns platforms (os/architecture/variant): the machine's own and matching; refuses emulation questions.

Source: OCI image-spec image-index.md (Go's GOOS and GOARCH words) and containerd's normalisation.
"""

from __future__ import annotations

import os

import msgspec

from engine.errors import InvalidInput

_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386"}
_MAX_PARTS = 3


class Platform(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a binary runs on, in Go's words."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def runs(self, other: Platform) -> bool:
        """Whether an image for ``other`` runs on this platform (a missing variant matches any)."""
        same = (self.os, self.architecture) == (other.os, other.architecture)
        return same and (not other.variant or not self.variant or self.variant == other.variant)


def host() -> Platform:
    """The platform of this machine."""
    machine = os.uname().machine
    architecture, variant = _MACHINES.get(machine, (machine, ""))
    return Platform("linux", architecture, variant)


def parse(text: str) -> Platform:
    """Parse ``os[/architecture[/variant]]``; InvalidInput if a part is empty or there are too many."""
    parts = text.lower().split("/")
    if not all(parts) or len(parts) > _MAX_PARTS:
        raise InvalidInput("platform", f"{text!r} is not os/architecture[/variant]", remedy="try linux/amd64")
    if len(parts) == 1:
        return Platform("linux", _ALIASES.get(parts[0], parts[0])) if parts[0] != "linux" else host()
    return Platform(parts[0], _ALIASES.get(parts[1], parts[1]), *parts[2:])
