"""Owns the list of a container's processes, read from its control group and /proc; refuses to signal any."""

from __future__ import annotations

import os
import pwd

from engine.records import Process


def processes(procs_file: str) -> tuple[Process, ...]:
    """A row for each process that the cgroup.procs file lists, in the order of their pids on the host."""
    try:
        with open(procs_file, encoding="ascii") as file:
            pids = sorted({int(line) for line in file})
    except FileNotFoundError:
        return ()
    return tuple(row for row in map(_process, pids) if row is not None)


def _process(pid: int) -> Process | None:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            arguments = file.read().rstrip(b"\0").split(b"\0")
        with open(f"/proc/{pid}/comm", "rb") as file:
            name = file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    command = b" ".join(arguments) or b"[" + name + b"]"
    return Process(pid=pid, user=_user(uid), command=command.decode("utf-8", "replace"))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
