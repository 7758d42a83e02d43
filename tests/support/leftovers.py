"""Owns the search for what an engine's root left on the machine: mounts, processes, cgroups, namespaces."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import msgspec

from engine.errors import StoreFailure
from engine.network.plan.naming import TABLE_PREFIX, veth_name
from engine.records import Network
from engine.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.paths import Paths

_GRACE_SECONDS = 5.0


def leftovers(
    paths: Paths, container_ids: Iterable[str] = (), *, patience: float = _GRACE_SECONDS
) -> list[str]:
    """One line for each thing of this root that is still there after ``patience`` seconds; empty is clean."""
    ids = tuple(container_ids)
    deadline = time.monotonic() + patience
    while True:
        found = [*mounts_of(paths), *processes_of(paths), *cgroups_of(ids), *interfaces_of(ids)]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def mounts_of(paths: Paths) -> list[str]:
    """Mounts in our own mount namespace that name one of the root's two trees (netns binds included)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return [
            f"mount: {line.strip()}" for line in file if f"{paths.root}/" in line or f"{paths.run}/" in line
        ]


def processes_of(paths: Paths) -> list[str]:
    """Processes other than our own that have files of this root open, or are named after it."""
    trees = (paths.root, paths.run)
    found = []
    for pid in _pids():
        if pid == os.getpid():
            continue
        reason = next((text for text in _traces(pid) if any(tree in text for tree in trees)), None)
        if reason is not None:
            found.append(f"process: {pid} {_command(pid)!r} because of {reason}")
    return found


def cgroups_of(container_ids: tuple[str, ...]) -> list[str]:
    """Control groups that are named after one of the containers, in any hierarchy."""
    if not container_ids:
        return []
    return [
        f"cgroup: {folder}/{name}"
        for folder, names, _files in os.walk("/sys/fs/cgroup")
        for name in names
        if any(container_id in name for container_id in container_ids)
    ]


def interfaces_of(container_ids: tuple[str, ...]) -> list[str]:
    """The host's ends of the containers' network cables."""
    present = set(os.listdir("/sys/class/net"))
    return [f"interface: {name}" for name in map(veth_name, container_ids) if name in present]


def bridges_of(paths: Paths) -> list[str]:
    """The bridges that the records of a root name, whichever process made them."""
    if not os.path.exists(paths.database):
        return []
    try:
        database = Database(paths.database)
    except StoreFailure:
        return []  # a test of broken databases
    try:
        rows = database.query("SELECT record FROM network")
    finally:
        database.close()
    networks = [msgspec.json.decode(record, type=Network) for (record,) in rows]
    return [network.bridge for network in networks if network.bridge]


def remove_bridges(names: Iterable[str]) -> None:
    """Take the bridges of a root that is about to go away from the machine, with their firewall tables."""
    for name in names:
        for command in (
            ["ip", "link", "delete", name],
            ["nft", "delete", "table", "ip", f"{TABLE_PREFIX}{name}"],
        ):
            subprocess.run(command, check=False, capture_output=True)


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _traces(pid: int) -> Iterator[str]:
    try:
        yield _command(pid)
        yield os.readlink(f"/proc/{pid}/cwd")
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                yield os.readlink(f"/proc/{pid}/fd/{name}")
            except FileNotFoundError:
                continue
        with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            # A process that shares our mount namespace says nothing about itself by its mounts.
            if os.readlink(f"/proc/{pid}/ns/mnt") != os.readlink("/proc/self/ns/mnt"):
                yield file.read()
    except OSError:
        return


def _command(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return os.fsdecode(file.read().replace(b"\0", b" "))
