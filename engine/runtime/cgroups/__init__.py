"""Owns control groups as the engine sees them: what the host has, and the plan of a container's.

Refuses to create or write any: the supervisor does (``engine.shim.cgroup``). ``hosts`` reads, ``plans`` joins
what ``v1`` and ``v2`` say, ``support`` and ``checks`` hold requests against what the machine can give,
``updates`` are changes of a running container, ``usage`` is what it uses.
"""

from __future__ import annotations

from engine.runtime.cgroups.hosts import Hierarchy, HostCgroups, parse_mountinfo, read_host
from engine.runtime.cgroups.plans import CgroupPlan, cgroup_plan, session_procs, visible_mounts

__all__ = [
    "CgroupPlan",
    "Hierarchy",
    "HostCgroups",
    "cgroup_plan",
    "parse_mountinfo",
    "read_host",
    "session_procs",
    "visible_mounts",
]
