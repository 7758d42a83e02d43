"""Owns our own init for ``--init``, as statements: ``tuidock-init -- PATH COMMAND [ARGUMENT…]``.

It starts the command in the foreground of its terminal, passes signals on to it, reaps whatever ends in the
container, and ends with the command's exit code. Refuses to search PATH. Sources: signal(7), sigtimedwait(2),
wait(2), execve(2).
"""

from __future__ import annotations

from engine.runtime.machine_code import Ref, Statement, bits, call, fetch, jump, label, let

_SIG_BLOCK, _SIG_SETMASK, _SIGCHLD = 0, 2, 17
_SIGSET_SIZE = 8
_WNOHANG = 1
_TIOCSPGRP = 0x5410
_ENOENT = 2
_NOT_FOUND, _NOT_EXECUTABLE, _MISUSED = 127, 126, 1


def program() -> tuple[Statement, ...]:
    """All of it."""
    return (*_start(), *_wait(), *_reap(), *_command())


def _start() -> tuple[Statement, ...]:
    return (
        let("all", -1),
        # Blocked, every signal waits until it is asked for: none is lost, and none ends us.
        call("rt_sigprocmask", _SIG_BLOCK, Ref("all"), Ref("before"), _SIGSET_SIZE),
        fetch("count", "stack", 0),
        jump("lt", "count", 4, "refuse"),
        fetch("path", "stack", 24),
        let("command", "stack", 32),
        let("environment", "count", "count"),
        let("environment", "environment", "environment"),
        let("environment", "environment", "environment"),
        let("environment", "environment", "stack", 16),
        call("clone", _SIGCHLD, 0, 0, 0, 0),
        jump("eq", "result", 0, "child"),
        jump("lt", "result", 0, "refuse"),
        let("main", "result"),
    )


def _wait() -> tuple[Statement, ...]:
    return (
        label("wait"),
        call("rt_sigtimedwait", Ref("all"), 0, 0, _SIGSET_SIZE),
        jump("lt", "result", 1, "wait"),  # interrupted
        jump("eq", "result", _SIGCHLD, "reap"),
        let("signal", "result"),
        call("kill", "main", "signal"),
        jump("eq", 0, 0, "wait"),
    )


def _reap() -> tuple[Statement, ...]:
    """All that have ended, and then, if the command is among them, ourselves."""
    return (
        label("reap"),
        call("wait4", -1, Ref("status"), _WNOHANG, 0),
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
    )


def _command() -> tuple[Statement, ...]:
    return (
        label("child"),
        call("setpgid", 0, 0),
        call("getpid"),
        let("own", "result"),
        call("ioctl", 0, _TIOCSPGRP, Ref("own")),  # an error where the input is no terminal
        call("rt_sigprocmask", _SIG_SETMASK, Ref("before"), 0, _SIGSET_SIZE),
        call("execve", "path", "command", "environment"),
        jump("eq", "result", -_ENOENT, "missing"),
        call("exit_group", _NOT_EXECUTABLE),
        label("missing"),
        call("exit_group", _NOT_FOUND),
        label("refuse"),
        call("exit_group", _MISUSED),
    )
