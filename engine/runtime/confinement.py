"""Owns which AppArmor profile confines a container, and what is asked of a security module that is absent.

Source: moby daemon/apparmor_default.go and daemon/daemon_unix.go; the kernel's AppArmor document. An option
that the kernel lacks is an error here, where Docker keeps silent. Refuses to load or apply anything.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from engine.options import CreateOptions

UNCONFINED = "unconfined"
DEFAULT_PROFILE = "tuidock-default"
PARSERS = ("/usr/sbin/apparmor_parser", "/sbin/apparmor_parser")
_ENABLED = "/sys/module/apparmor/parameters/enabled"
_SELINUX = "/sys/fs/selinux/enforce"
_LABEL_PARTS = ("user:", "role:", "type:", "level:", "filetype:", "nested")


def apparmor_enabled() -> bool:
    """Whether the kernel enforces AppArmor."""
    try:
        with open(_ENABLED, encoding="ascii") as file:
            return file.read(1) == "Y"
    except OSError:
        return False


def check_confinement(options: CreateOptions) -> None:
    """InvalidInput for a profile or a label that no security module of this kernel would heed."""
    if options.apparmor not in {None, UNCONFINED} and not apparmor_enabled():
        raise InvalidInput(
            f"--security-opt apparmor={options.apparmor}",
            "this kernel does not have AppArmor enabled",
            remedy="leave it out, or boot with apparmor=1 security=apparmor",
        )
    for label in options.label:
        if label == "disable":
            continue
        if not label.startswith(_LABEL_PARTS):
            raise InvalidInput("", f'invalid --security-opt label: "{label}"', remedy="use label=disable")
        why = "labels are not set by this version"
        if not os.path.exists(_SELINUX):
            why = "this kernel does not have SELinux enabled"
        raise InvalidInput(f"--security-opt label={label}", why, remedy="leave it out, or use label=disable")


def profile_of(options: CreateOptions) -> str | None:
    """The profile to apply; None where the kernel has no AppArmor, or nothing to load a profile with."""
    if options.apparmor is not None:
        return options.apparmor if apparmor_enabled() else None
    if not apparmor_enabled() or not any(map(os.path.exists, PARSERS)):
        return None
    return UNCONFINED if options.privileged else DEFAULT_PROFILE


def default_profile() -> str:
    """The text of ``tuidock-default``: equal in effect to Docker's own, which it is modelled on.

    Files, capabilities and networks are left to the other means; what it adds is that no mount is made, that
    only /proc of processes and /sys/fs/cgroup can be written, and that only the container's own processes
    are traced or signalled.
    """
    name = DEFAULT_PROFILE
    return "\n".join(
        (
            f"profile {name} flags=(attach_disconnected,mediate_deleted) {{",
            *(f"  {rule}," for rule in _ALLOWED),
            f"  signal (send,receive) peer={name},",
            f"  ptrace (trace,read,tracedby,readby) peer={name},",
            *(f"  deny {rule}," for rule in _DENIED),
            "}",
            "",
        )
    )


_ALLOWED = ("network", "capability", "file", "umount", "unix", "signal (receive) peer=unconfined")
_DENIED = (
    "mount",
    "/proc/* w",
    "/proc/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9]*}/** w",
    "/proc/sys/[^k]** w",
    "/proc/sys/kernel/{?,??,[^s][^h][^m]**} w",
    "/proc/sysrq-trigger rwklx",
    "/proc/kcore rwklx",
    "/sys/[^f]*/** wklx",
    "/sys/f[^s]*/** wklx",
    "/sys/fs/[^c]*/** wklx",
    "/sys/fs/c[^g]*/** wklx",
    "/sys/fs/cg[^r]*/** wklx",
    "/sys/firmware/** rwklx",
    "/sys/devices/virtual/powercap/** rwklx",
    "/sys/kernel/security/** rwklx",
)
