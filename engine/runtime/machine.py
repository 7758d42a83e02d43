"""Owns what ``info`` says of the machine: kernel, distribution, memory, cgroups; refuses to change any."""

from __future__ import annotations

import os
import platform

from engine.runtime.cgroups import read_host
from engine.runtime.cgroups.support import read_support

_SECCOMP = "/proc/sys/kernel/seccomp"
"""There since Linux 4.14 where seccomp filters are."""
_OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")


def operating_system() -> str:
    """PRETTY_NAME of os-release(5)."""
    for path in _OS_RELEASE:
        try:
            with open(path, encoding="utf-8") as file:
                for line in file:
                    name, _, value = line.strip().partition("=")
                    if name == "PRETTY_NAME":
                        return value.strip("\"'")
        except OSError:
            continue
    return "Linux"


def memory() -> int:
    """Bytes of physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cgroup_version() -> str:
    """1, 2, or empty if no hierarchy is mounted; hybrid counts as 1, as in Docker."""
    return read_host().version


def security_options() -> tuple[str, ...]:
    """What confines containers here, as ``SecurityOptions`` of Docker's info."""
    found = ["name=cgroupns"]
    if os.path.exists(_SECCOMP):
        found.insert(0, "name=seccomp,profile=builtin")
    return tuple(found)


def warnings() -> tuple[str, ...]:
    """What limits cannot be given here, as Docker's ``info`` says it."""
    return read_support(read_host()).warnings()


def python_version() -> str:
    """Of the interpreter that runs the engine."""
    return platform.python_version()
