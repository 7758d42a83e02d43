"""Owns the flags of what a container may use: memory, processors, processes, and limits of the kernel's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.options import Resources
from tuidock.cli.flags import number, text
from tuidock.cli.specs import scalars

if TYPE_CHECKING:
    from tuidock.cli.command import Invocation

FLAGS = (
    number("cpu-shares", "CPU shares (relative weight)", "c"),
    text("cpus", "Number of CPUs", kind="decimal", convert=scalars.nano_cpus),
    text("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)"),
    text("memory", "Memory limit", "m", kind="bytes", convert=scalars.size),
    text("memory-reservation", "Memory soft limit", kind="bytes", convert=scalars.size),
    text(
        "memory-swap",
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
        kind="bytes",
        convert=scalars.swap_size,
    ),
    number("pids-limit", "Tune container pids limit (set -1 for unlimited)"),
)


def given(invocation: Invocation) -> dict[str, Any]:
    """The fields of CreateOptions that these flags set."""
    return {"resources": _resources(invocation)}


def _resources(invocation: Invocation) -> Resources:
    value = invocation.value
    return Resources(
        memory=value("memory") or 0,
        memory_swap=value("memory-swap") or 0,
        memory_reservation=value("memory-reservation") or 0,
        nano_cpus=value("cpus") or 0,
        cpu_shares=value("cpu-shares") or 0,
        cpuset_cpus=invocation.text("cpuset-cpus"),
        pids_limit=value("pids-limit") or 0,
    )
