"""Owns the values of limits that have a form of their own: ulimits, sysctls, rates and weights of devices.

Sources: docker/cli opts (ulimit.go, throttledevice.go, weightdevice.go, opts.go), docker/go-units ulimit.go.
Each function raises ValueError with Docker's reason.
"""

from __future__ import annotations

from engine.options import DeviceRate, DeviceWeight, Ulimit
from tuidock.cli.specs.scalars import integer, size

_ULIMITS = frozenset(
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending"
    " stack".split()
)
_SYSCTLS = frozenset(
    "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni"
    " kernel.shm_rmid_forced".split()
)
_SYSCTL_PREFIXES = ("net.", "fs.mqueue.")
_WEIGHTS = (10, 1000)
_UINT16 = (1 << 16) - 1


def uint16(value: str) -> int:
    """What Go's ParseUint takes for 16 bits."""
    try:
        number = integer(value)
    except ValueError:
        number = -1
    if number < 0 or value[:1] in "+-":
        raise ValueError(f'strconv.ParseUint: parsing "{value}": invalid syntax')
    if number > _UINT16:
        raise ValueError(f'strconv.ParseUint: parsing "{value}": value out of range')
    return number


def ulimit(value: str) -> Ulimit:
    """``nofile=1024:2048``; one number is both, -1 unlimited."""
    name, equals, numbers = value.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {value}")
    if name not in _ULIMITS:
        raise ValueError(f"invalid ulimit type: {name}")
    soft, colon, hard = numbers.partition(":")
    if ":" in hard:
        raise ValueError(
            f"too many limit value arguments - {numbers}, can only have up to two, `soft[:hard]`"
        )
    low = integer(soft)
    high = integer(hard) if colon else low
    if high != -1 and low == -1:
        reason = f"soft: -1 (unlimited), hard: {high}"
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {reason}")
    if high != -1 and low > high:
        raise ValueError(f"ulimit soft limit must be less than or equal to hard limit: {low} > {high}")
    return Ulimit(name, low, high)


def sysctl(value: str) -> tuple[str, str]:
    """``net.ipv4.ip_forward=1``; only what a namespace of the container's has for itself."""
    name, equals, wanted = value.partition("=")
    if not equals or "/" in name or not (name in _SYSCTLS or name.startswith(_SYSCTL_PREFIXES)):
        raise ValueError(f"sysctl '{value}' is not allowed")
    return name, wanted


def device_weight(value: str) -> DeviceWeight:
    """``/dev/sda:500``."""
    path, text = _device(value)
    refusal = ValueError(f"invalid weight for device: {value}")
    if not text.isdecimal():
        raise refusal
    weight = int(text)
    if weight and not _WEIGHTS[0] <= weight <= _WEIGHTS[1]:
        raise refusal
    return DeviceWeight(path, weight)


def device_bytes(value: str) -> DeviceRate:
    """``/dev/sda:1mb``: bytes a second."""
    path, text = _device(value)
    try:
        return DeviceRate(path, size(text))
    except ValueError:
        raise ValueError(
            f"invalid rate for device: {value}. The correct format is <device-path>:<number>[<unit>]."
            " Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def device_operations(value: str) -> DeviceRate:
    """``/dev/sda:100``: operations a second."""
    path, text = _device(value)
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(
            f"invalid rate for device: {value}. The correct format is <device-path>:<number>."
            " Number must be a positive integer"
        )
    return DeviceRate(path, int(text))


def _device(value: str) -> tuple[str, str]:
    path, colon, rest = value.partition(":")
    if not colon:
        raise ValueError(f"bad format: {value}")
    if not path.startswith("/dev/"):
        raise ValueError(f"bad format for device path: {value}")
    return path, rest
