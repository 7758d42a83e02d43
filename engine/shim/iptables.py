"""Owns tables of ours where the kernel has iptables and no nf_tables: chains of our own, by its programs.

A message is ``VERB FAMILY NAME``, a line end, and for iptables-restore what ``engine.network.plan.iptables``
says of the table. ``make`` replaces what is there of it, ``find`` looks for all of it (without a text: for
anything of it), ``delete`` takes it out. Imported on such hosts only; refuses to compose rules.
"""

from __future__ import annotations

import errno
import fcntl
import os

from engine.shim import programs
from engine.shim.host_lock import take_lock

_TABLES = ("mangle", "nat")
_CHAIN, _TABLE = "TUIDOCK-", "tuidock-"
_LOCK = "/run/tuidock-iptables.lock"
"""flock: what is there is looked at and changed by one process at a time."""
_WAIT = ("-w", "5")
_ATTEMPTS = 2
_PROGRAMS = {"ip": "iptables", "ip6": "ip6tables"}
_LOADED = {"ip": "/proc/net/ip_tables_names", "ip6": "/proc/net/ip6_tables_names"}


def families() -> tuple[str, ...]:
    """Those (ip, ip6) for which there are the program and what it needs of the kernel."""
    return tuple(family for family in _PROGRAMS if _is_usable(family))


def send(message: bytes) -> None:
    """Do what an item says; raises OSError: FileNotFoundError if what it looks for is not there."""
    head, _, text = message.decode().partition("\n")
    verb, family, name = head.split(" ", 2)
    if verb == "find":
        found = read(listed(family))
        if name not in found or (text and found[name] != read(text)[name]):
            raise FileNotFoundError(errno.ENOENT, f"no {name} in iptables")
        return
    lock = take_lock(_LOCK, fcntl.LOCK_EX)
    if lock < 0:
        raise OSError(errno.EBUSY, f"somebody holds {_LOCK}")
    try:
        _replace(family, name, text)
    finally:
        os.close(lock)


def listed(family: str) -> str:
    """What iptables-save says of all tables."""
    program = f"{_PROGRAMS[family]}{_variant(family)}-save"
    code, output = programs.run([program])
    if code:
        raise OSError(errno.EOPNOTSUPP, output.decode(errors="replace").strip() or f"no program {program}")
    return output.decode(errors="replace")


def read(text: str) -> dict[str, dict[str, int]]:
    """{table of ours: {its chains (as "nat NAME"): number of rules}}; one that nothing leads to is none."""
    rules: dict[tuple[str, str], int] = {}
    led = set()
    table = ""
    for words in (line.split() for line in text.splitlines()):
        if not words:
            continue
        if words[0].startswith("*"):
            table = words[0][1:]
        elif words[0].startswith(f":{_CHAIN}"):
            rules[table, words[0][1:]] = 0
        elif words[0] in {"-A", "-I"}:
            if (table, words[1]) in rules:
                rules[table, words[1]] += 1
            if words[-2] in {"-j", "-g"}:
                led.add((table, words[-1]))
    found: dict[str, dict[str, int]] = {}
    for (table, chain), number in rules.items():
        chains = found.setdefault(_name_of(chain), {})
        if (table, chain) in led:
            chains[f"{table} {chain}"] = number
    return found


def _replace(family: str, name: str, text: str) -> None:
    for attempt in range(_ATTEMPTS):
        before = listed(family)
        if not text and name not in read(before):
            raise FileNotFoundError(errno.ENOENT, f"no {name} in iptables")
        program = f"{_PROGRAMS[family]}{_variant(family)}-restore"
        code, output = programs.run([program, *_WAIT, "--noflush"], _script(before, name, text).encode())
        if not code:
            return
        if attempt + 1 == _ATTEMPTS:  # somebody else may have changed it between the look and now
            raise OSError(errno.EIO, output.decode(errors="replace").strip() or f"{program} failed")


def _script(before: str, name: str, text: str) -> str:
    """Of each table first what takes out what is there of ``name``, then what ``text`` has."""
    there, wanted = _sections(before), _sections(text)
    lines = []
    for table in _TABLES:
        old = there.get(table, [])
        chains = [line.split()[0][1:] for line in old if line.startswith(f":{_CHAIN}")]
        mine = {chain for chain in chains if _name_of(chain) == name}
        gone = [
            f"-D{line[2:]}"
            for line in old
            if line.startswith("-A") and line.split()[-1] in mine and line.split()[1] not in mine
        ]
        gone += [f"-{verb} {chain}" for verb in "FX" for chain in sorted(mine)]
        if gone or table in wanted:
            lines += [f"*{table}", *gone, *wanted.get(table, ()), "COMMIT"]
    return "\n".join((*lines, ""))


def _sections(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
            found[table] = []
        elif line.startswith((":", "-")):
            found[table].append(line)
    return found


def _name_of(chain: str) -> str:
    return _TABLE + chain.removeprefix(_CHAIN).rpartition("-")[0]


def _is_usable(family: str) -> bool:
    program = _PROGRAMS[family] + _variant(family)
    if not programs.path_of(f"{program}-restore") or not programs.path_of(f"{program}-save"):
        return False
    if _variant(family):
        try:
            with open(_LOADED[family], encoding="ascii") as file:
                if {*_TABLES} <= {*file.read().split()}:
                    return True
        except OSError:
            pass  # it is not loaded
    # The program has the kernel load what it needs, if that is there.
    return not any(programs.run([program, *_WAIT, "-t", table, "-S"])[0] for table in _TABLES)


def _variant(family: str) -> str:
    """Which of two programs speaks to a kernel without nf_tables: the plain one may be the other one."""
    return "-legacy" if programs.path_of(f"{_PROGRAMS[family]}-legacy") else ""
