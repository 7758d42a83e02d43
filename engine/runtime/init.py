"""Owns the init of ``--init``: the machine's, if it has a static one, else a program of the engine's own.

It starts the command, gives it the terminal, passes signals on to it, reaps whatever ends in the container
and ends with the command's exit code. Sources: tini(1); signal(7), sigtimedwait(2), wait(2).
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from engine.errors import RuntimeFailure

if TYPE_CHECKING:
    from engine.paths import Paths
    from engine.runtime.machine_code import Statement

_NAMES = ("docker-init", "tini-static", "catatonit", "tini")
_FOLDERS = (
    "/usr/libexec/podman",
    "/usr/libexec/docker",
    "/usr/lib/docker",
    "/usr/local/bin",
    "/usr/bin",
    "/sbin",
)
_OWN = "tuidock-init"
_INTERPRETER = 3
"""The type of the program header by which an ELF file asks for a loader, which an image may not have."""


def find_init(paths: Paths) -> str:
    """The path of the machine's init, or of our own, which is written if it is not there yet."""
    for name in _NAMES:
        for folder in _FOLDERS:
            path = f"{folder}/{name}"
            if os.access(path, os.X_OK) and _is_static(path):
                return path
    return own_init(paths)


def own_init(paths: Paths) -> str:
    """The path of our own init below the root."""
    from engine.runtime.machine_code import ARCHITECTURES, executable

    path, architecture = f"{paths.root}/{_OWN}", os.uname().machine
    if architecture not in ARCHITECTURES:
        raise RuntimeFailure(
            "--init",
            reason="no static init for containers is installed on this machine",
            remedy="apt-get install catatonit (or tini), or run without --init",
        )
    content = executable(program(), architecture)
    try:
        with open(path, "rb") as file:
            if file.read() == content:
                return path
    except FileNotFoundError:
        pass
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        os.fchmod(file.fileno(), 0o755)
        file.write(content)
    os.rename(temporary, path)
    return path


def is_own(path: str | None) -> bool:
    """Whether ``path`` is our own init: it wants the command's path before the command's arguments."""
    return path is not None and os.path.basename(path) == _OWN


def _is_static(path: str) -> bool:
    with open(path, "rb") as file:
        beginning = file.read(4096)
    if not beginning.startswith(b"\x7fELF\x02\x01"):
        return False
    table, size, count = *struct.unpack_from("<Q", beginning, 32), *struct.unpack_from("<HH", beginning, 54)
    kinds = [struct.unpack_from("<I", beginning, table + size * index)[0] for index in range(count)]
    return _INTERPRETER not in kinds


def program() -> tuple[Statement, ...]:
    """Our own init, called as ``tuidock-init -- PATH COMMAND [ARGUMENT…]``."""
    from engine.runtime.machine_code import Ref, bits, call, fetch, jump, label, let

    block, set_mask, child_signal, no_hang, set_foreground = 0, 2, 17, 1, 0x5410
    size, no_such_file = 8, -2
    return (
        let("all", -1),
        # Blocked, every signal waits until it is asked for: none is lost, and none ends us.
        call("rt_sigprocmask", block, Ref("all"), Ref("before"), size),
        fetch("count", "stack", 0),
        jump("lt", "count", 4, "refuse"),
        fetch("path", "stack", 24),
        let("command", "stack", 32),
        let("environment", "count", "count"),
        let("environment", "environment", "environment"),
        let("environment", "environment", "environment"),
        let("environment", "environment", "stack", 16),
        call("clone", child_signal, 0, 0, 0, 0),
        jump("eq", "result", 0, "child"),
        jump("lt", "result", 0, "refuse"),
        let("main", "result"),
        label("wait"),
        call("rt_sigtimedwait", Ref("all"), 0, 0, size),
        jump("lt", "result", 1, "wait"),
        jump("eq", "result", child_signal, "reap"),
        let("signal", "result"),
        call("kill", "main", "signal"),
        jump("eq", 0, 0, "wait"),
        label("reap"),
        call("wait4", -1, Ref("status"), no_hang, 0),
        jump("lt", "result", 1, "reaped"),
        jump("ne", "result", "main", "reap"),
        let("over", 1),
        bits("code", "status", 8, 0xFF),
        bits("killer", "status", 0, 0x7F),
        jump("eq", "killer", 0, "reap"),
        let("code", "killer", 128),
        jump("eq", 0, 0, "reap"),
        label("reaped"),
        jump("eq", "over", 0, "wait"),
        call("exit_group", "code"),
        label("child"),
        call("setpgid", 0, 0),
        call("getpid"),
        let("own", "result"),
        call("ioctl", 0, set_foreground, Ref("own")),  # an error where the input is no terminal
        call("rt_sigprocmask", set_mask, Ref("before"), 0, size),
        call("execve", "path", "command", "environment"),
        jump("eq", "result", no_such_file, "missing"),
        call("exit_group", 126),
        label("missing"),
        call("exit_group", 127),
        label("refuse"),
        call("exit_group", 1),
    )
