"""Owns finding out who has a port of this host, for a message; refuses to decide anything by it.

Containers of other roots are known by their supervisors' bundles: a socket that is bound and does not listen
is in no table of the kernel's. Everybody else is found by proc_net(5), as ``ss -lnp`` does.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.records import PortBinding

_SUPERVISOR = "tuidock-superv"
_LISTENING = "0A"
_FAMILIES = {8: socket.AF_INET, 32: socket.AF_INET6}
"""By the digits of an address."""
_WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104 - what overlaps with every address


def occupant(binding: PortBinding) -> str:
    """``container NAME`` or ``PROGRAM (pid N)``; empty if nobody can be named."""
    processes = [name for name in os.listdir("/proc") if name.isdigit()]
    for pid in processes:
        if _text(f"/proc/{pid}/comm").strip() == _SUPERVISOR and _is_of_this_network(pid):
            name = _container(pid, binding)
            if name:
                return name
    inodes = _inodes(binding)
    for pid in processes if inodes else ():
        if inodes & set(_links(pid)):
            return f"{_text(f'/proc/{pid}/comm').strip() or 'a process'} (pid {pid})"
    return ""


def _container(pid: str, binding: PortBinding) -> str:
    for link in _links(pid):
        if link.endswith("/lock"):
            bundle = _bundle(os.path.dirname(link))
            entries = (bundle.get("network") or {}).get("ports") or ()
            if any(_covers(entry, binding) for entry in entries):
                return f"container {bundle.get('name') or bundle['id']}"
    return ""


def _is_of_this_network(pid: str) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/ns/net", "/proc/self/ns/net")
    except OSError:
        return False


def _bundle(run_dir: str) -> dict[str, Any]:
    try:
        with open(f"{run_dir}/bundle.json", "rb") as file:
            found = msgspec.json.decode(file.read())
    except (OSError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _covers(entry: dict[str, Any], binding: PortBinding) -> bool:
    first = entry["host_port"]
    return (
        entry["protocol"] == binding.protocol
        and first <= binding.host_port < first + entry.get("count", 1)
        and _overlap(entry.get("host_ip") or "", binding.host_ip)
    )


def _overlap(one: str, other: str) -> bool:
    return one == other or one in _WILDCARDS or other in _WILDCARDS


def _inodes(binding: PortBinding) -> set[str]:
    """As links of descriptors; those that listen, if any does."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for name in (binding.protocol, f"{binding.protocol}6"):
        for line in _text(f"/proc/net/{name}").splitlines()[1:]:
            words = line.split()
            address, _, port = words[1].partition(":")
            if int(port, 16) == binding.host_port and _overlap(_address(address), binding.host_ip):
                found[words[3] == _LISTENING].add(f"socket:[{words[9]}]")
    return found[True] or found[False]


def _address(digits: str) -> str:
    """Words of 32 bits, each in the machine's order."""
    words = [int(digits[place : place + 8], 16) for place in range(0, len(digits), 8)]
    return socket.inet_ntop(_FAMILIES[len(digits)], struct.pack(f"={len(words)}I", *words))


def _links(pid: str) -> Iterator[str]:
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return  # it is gone, or another user's
    for descriptor in descriptors:
        try:
            yield os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            continue


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
