"""Owns capability sets: Docker's default fourteen, what is added and dropped; refuses to set any.

Source: capabilities(7); moby oci/caps/utils.go (TweakCapabilities).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.runtime.cgroups import HostCgroups

_NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
    "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
    "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
    "PERFMON BPF CHECKPOINT_RESTORE"
).split()
NUMBERS = {name: number for number, name in enumerate(_NAMES)}
"""Names without CAP_ to their bit numbers, as in linux/capability.h."""

DEFAULT = frozenset(
    {
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
        "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
    }
)  # fmt: skip
_ALL = "ALL"
DEVICE_CAPABILITY = "MKNOD"


def capability_names(
    add: Iterable[str] = (), drop: Iterable[str] = (), *, privileged: bool = False
) -> frozenset[str]:
    """The names (without CAP_) that a container holds; InvalidInput for one that does not exist.

    ``drop`` of ALL leaves only what ``add`` names; ``add`` of ALL takes all but what ``drop`` names.
    """
    added = {_canonical(name) for name in add}
    dropped = {_canonical(name) for name in drop}
    if privileged:
        return frozenset(NUMBERS)
    if _ALL in added:
        return frozenset(NUMBERS) - (dropped - {_ALL})
    if _ALL in dropped:
        return frozenset(added)
    return (DEFAULT - dropped) | added


def without_devices(names: frozenset[str], host: HostCgroups) -> frozenset[str]:
    """``names`` without MKNOD where no control group says which devices may be opened, as under cgroup v2.

    Then a node that nobody can make is one that nobody can open.
    """
    return names if host.guards_devices else names - {DEVICE_CAPABILITY}


def capability_bits(names: Iterable[str]) -> int:
    """The set as the kernel's bit mask."""
    return sum(1 << NUMBERS[name] for name in set(names))


def capability_sets(bits: int) -> dict[str, int]:
    """The bundle's five sets: nothing inheritable or ambient, as Docker since CVE-2022-24769."""
    return {"bounding": bits, "permitted": bits, "effective": bits, "inheritable": 0, "ambient": 0}


def _canonical(name: str) -> str:
    upper = name.upper().removeprefix("CAP_")
    if upper != _ALL and upper not in NUMBERS:
        raise InvalidInput(
            "invalid capability", f'unknown capability: "{name}"', remedy="see capabilities(7) for the names"
        )
    return upper
