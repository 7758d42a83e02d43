"""Owns what a container uses, read from its control groups and its network namespace; remembers nothing.

A reading is some seven small files and starts no process: it is made for being polled. Refuses percentages.
Sources: the kernel's cgroup documents, proc_pid_net(5); moby's and docker/cli's arithmetic of ``stats``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from engine.runtime.cgroups.hosts import read

if TYPE_CHECKING:
    from collections.abc import Iterable

_RECEIVED, _SENT = 0, 8
"""The columns of /proc/PID/net/dev that count bytes."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a container used up to now, or uses now; times in nanoseconds, the others in bytes."""

    cpu: int = 0
    memory: int = 0
    """Without the files in the page cache that were not used lately."""
    memory_limit: int = 0
    """0 where there is none."""
    received: int = 0
    sent: int = 0
    block_read: int = 0
    block_written: int = 0
    pids: int = 0


class _Bundle(msgspec.Struct):
    cgroup: dict[str, object] = {}


def read_members(bundle_path: str) -> tuple[str, ...]:
    """The directories that the bundle of a running container names as its own; none once it has ended."""
    try:
        with open(bundle_path, "rb") as file:
            listed = msgspec.json.decode(file.read(), type=_Bundle).cgroup.get("kill")
    except (OSError, msgspec.DecodeError):
        return ()
    return tuple(map(str, listed)) if isinstance(listed, list) else ()


def read_usage(members: Iterable[str], pid: int, *, own_network: bool) -> Usage:
    """What the container with the directories ``members`` uses; ``pid`` is its init, for the network."""
    folders = tuple(members)
    received, sent = _network(read(f"/proc/{pid}/net/dev")) if pid and own_network else (0, 0)
    if any(os.path.exists(f"{folder}/cgroup.controllers") for folder in folders):
        return _unified(folders[0], received, sent)
    return _v1(folders, received, sent)


def _unified(own: str, received: int, sent: int) -> Usage:
    stat = _pairs(read(f"{own}/memory.stat"))
    written, taken = 0, 0
    for line in read(f"{own}/io.stat").splitlines():
        fields = dict(field.partition("=")[::2] for field in line.split()[1:])
        taken += int(fields.get("rbytes", 0))
        written += int(fields.get("wbytes", 0))
    return Usage(
        cpu=_pairs(read(f"{own}/cpu.stat")).get("usage_usec", 0) * 1000,
        memory=_used(_number(f"{own}/memory.current"), stat.get("inactive_file", 0)),
        memory_limit=_number(f"{own}/memory.max"),
        received=received,
        sent=sent,
        block_read=taken,
        block_written=written,
        pids=_number(f"{own}/pids.current"),
    )


def _v1(folders: tuple[str, ...], received: int, sent: int) -> Usage:
    def find(name: str) -> str:
        return next((f"{f}/{name}" for f in folders if os.path.exists(f"{f}/{name}")), os.devnull)

    taken, written = _blocks(read(find("blkio.throttle.io_service_bytes_recursive")))
    stat = _pairs(read(find("memory.stat")))
    return Usage(
        cpu=_number(find("cpuacct.usage")),
        memory=_used(_number(find("memory.usage_in_bytes")), stat.get("total_inactive_file", 0)),
        memory_limit=_number(find("memory.limit_in_bytes")),
        received=received,
        sent=sent,
        block_read=taken,
        block_written=written,
        pids=_number(find("pids.current")),
    )


def _used(total: int, idle: int) -> int:
    return total - idle if idle < total else total


def _blocks(text: str) -> tuple[int, int]:
    """Bytes read and written, of lines ``8:0 Read 4096``."""
    sums = {"Read": 0, "Write": 0}
    for line in text.splitlines():
        _, _, counted = line.partition(" ")
        kind, _, amount = counted.partition(" ")
        if kind in sums and amount.isdecimal():
            sums[kind] += int(amount)
    return sums["Read"], sums["Write"]


def _network(text: str) -> tuple[int, int]:
    """Bytes received and sent by all interfaces but the loopback's, of /proc/PID/net/dev."""
    received = sent = 0
    for line in text.splitlines():
        name, colon, counted = line.partition(":")
        columns = counted.split()
        if colon and name.strip() != "lo" and len(columns) > _SENT:
            received += int(columns[_RECEIVED])
            sent += int(columns[_SENT])
    return received, sent


def _pairs(text: str) -> dict[str, int]:
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.isdecimal():
            found[name] = int(value)
    return found


def _number(path: str) -> int:
    text = read(path).strip()
    return int(text) if text.isdecimal() else 0
