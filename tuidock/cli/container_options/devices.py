"""Owns the flags of which devices a container gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuidock.cli.flags import many
from tuidock.cli.specs import devices
from tuidock.cli.specs.every import every

if TYPE_CHECKING:
    from tuidock.cli.command import Invocation

FLAGS = (
    many("device", "Add a host device to the container"),
    many(
        "device-cgroup-rule",
        "Add a rule to the cgroup allowed devices list",
        convert=devices.cgroup_rule,
    ),
)


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set."""
    asked = every(devices.device, invocation.many("device"))
    return {
        "devices": tuple(one for one in asked if not isinstance(one, str)),
        "cdi_devices": tuple(one for one in asked if isinstance(one, str)),
        "device_cgroup_rules": invocation.many("device-cgroup-rule"),
    }
