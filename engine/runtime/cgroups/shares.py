"""Owns the arithmetic between Docker's limits and the kernel's; pure.

Sources: moby daemon/oci_linux.go (nano CPUs), runc's conversions of CPU shares and of block weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.options import Resources

_PERIOD = 100_000
_BILLION = 1_000_000_000


def swap(resources: Resources) -> int:
    """Memory and swap together; negative is no limit, 0 not limited, and not given is twice the memory."""
    return resources.memory_swap or 2 * resources.memory


def period(resources: Resources) -> int:
    """Microseconds of the bandwidth's period; 0 leaves it as it is."""
    return _PERIOD if resources.nano_cpus else resources.cpu_period


def quota(resources: Resources) -> int:
    """Microseconds of CPU time in each period; -1 is unlimited, 0 leaves it as it is."""
    return resources.nano_cpus * _PERIOD // _BILLION if resources.nano_cpus else resources.cpu_quota


def weight(shares: int) -> int:
    """cpu.weight (1 to 10000) of cpu.shares (2 to 262144)."""
    return 1 + (min(max(shares, 2), 262144) - 2) * 9999 // 262142


def io_weight(blkio_weight: int) -> int:
    """io.weight (1 to 10000) of blkio.weight (10 to 1000)."""
    return 1 + (blkio_weight - 10) * 9999 // 990
