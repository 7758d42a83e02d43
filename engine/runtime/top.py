"""Owns the list of a container's processes, as ps(1) shows them; refuses to signal any.

Without options it is read from /proc and no program is started; with them the host's own ps is asked. Source:
moby daemon/top_unix.go.
"""

from __future__ import annotations

import os
import pwd
import re
import time
from typing import TYPE_CHECKING

from engine import loop
from engine.errors import InvalidInput
from engine.records import ProcessTable
from engine.shim import cgroup

if TYPE_CHECKING:
    from collections.abc import Iterable

_TITLES = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
_PSEUDO_TERMINALS = range(136, 144)
_VIRTUAL_TERMINALS = 4
_NAME_WIDTH = 8
_DAY = 86_400
_RENAMED_PID = re.compile(r"\s+(\S*)=\s*(PID\S*)")
_IS_FULL = frozenset({(), ("-ef",), ("-e", "-f"), ("-fe",)})


def pids_of(members: Iterable[str]) -> tuple[int, ...]:
    """The pids on the host in the container's directories ``members``, and below them."""
    return tuple(sorted(set(cgroup.members(next(iter(members), "/nonexistent")))))


async def process_table(pids: tuple[int, ...], arguments: tuple[str, ...]) -> ProcessTable:
    """The processes ``pids`` as ps with ``arguments`` shows them; InvalidInput for ones it does not take."""
    renamed = _RENAMED_PID.search(f" {' '.join(arguments)}")
    if renamed:
        raise InvalidInput("", f'specifying "{renamed[1]}={renamed[2]}" is not allowed')
    if arguments in _IS_FULL:
        return full_table(pids)
    code, output, problem = await _ps((*arguments, "-q", ",".join(map(str, pids))))
    if code:
        code, output, problem = await _ps(arguments)
    if code:
        first = problem.strip().partition("\n")[0] or f"exit status {code}"
        raise InvalidInput("", f"ps: {first}", remedy="these are the options of ps on this machine")
    return parsed(output, pids)


async def _ps(arguments: tuple[str, ...]) -> tuple[int, str, str]:
    await loop.begin()
    import asyncio

    try:
        process = await asyncio.create_subprocess_exec(
            "ps", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
    except FileNotFoundError as error:
        raise InvalidInput(
            "ps", "this machine has no such program", remedy="leave the options out: then it is not needed"
        ) from error
    output, problem = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace"), problem.decode(errors="replace")


def parsed(output: str, pids: Iterable[int]) -> ProcessTable:
    """What ps printed, but only the rows of ``pids``; a title line that has no PID is refused."""
    lines = output.splitlines()
    titles = tuple(lines[0].split()) if lines else ()
    if "PID" not in titles:
        raise InvalidInput("", "Couldn't find PID field in ps output")
    column, wanted = titles.index("PID"), {str(pid) for pid in pids}
    rows = []
    for line in lines[1:]:
        fields = line.split(None, len(titles) - 1)
        if len(fields) > column and fields[column] in wanted:
            rows.append(tuple(field.rstrip() for field in fields))
    return ProcessTable(titles=titles, rows=tuple(rows))


def full_table(pids: Iterable[int]) -> ProcessTable:
    """What ``ps -ef`` says of ``pids``, from /proc."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    rows = (_row(pid, booted) for pid in pids)
    return ProcessTable(titles=_TITLES, rows=tuple(row for row in rows if row is not None))


def _row(pid: int, booted: float) -> tuple[str, ...] | None:
    try:
        uid = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/stat", "rb") as file:
            before, _, after = file.read().rpartition(b")")
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            arguments = file.read().rstrip(b"\0").replace(b"\0", b" ")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = after.split()
    ticks = os.sysconf("SC_CLK_TCK")
    used, started = (int(fields[11]) + int(fields[12])) / ticks, booted + int(fields[19]) / ticks
    command = arguments or b"[" + before.partition(b"(")[2] + b"]"
    return (
        _user(uid),
        str(pid),
        fields[1].decode(),
        str(min(int(100 * used / max(time.time() - started, 1)), 99)),
        _started(started),
        _terminal(int(fields[4])),
        time.strftime("%H:%M:%S", time.gmtime(used)) if used < _DAY else _days(int(used)),
        _printable(command),
    )


def _printable(command: bytes) -> str:
    """As ps(1) shows it: a process chooses its own name, and it is read on somebody's terminal."""
    return "".join(mark if mark.isprintable() else "?" for mark in command.decode("utf-8", "replace"))


def _started(instant: float) -> str:
    today = time.time() - instant < _DAY
    return time.strftime("%H:%M" if today else "%b%d", time.localtime(instant))


def _days(seconds: int) -> str:
    return f"{seconds // _DAY}-{time.strftime('%H:%M:%S', time.gmtime(seconds % _DAY))}"


def _terminal(number: int) -> str:
    major, minor = os.major(number), os.minor(number)
    if major in _PSEUDO_TERMINALS:
        return f"pts/{(major - _PSEUDO_TERMINALS.start) * 256 + minor}"
    return f"tty{minor}" if major == _VIRTUAL_TERMINALS else "?"


def _user(uid: int) -> str:
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}+"
