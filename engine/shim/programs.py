"""Owns running the host's firewall programs where there is no subprocess module; refuses to wait long."""

from __future__ import annotations

import os
import select

from engine.shim import signals

_SECONDS = 10.0
_FOLDERS = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin")
_ENVIRONMENT = {"PATH": ":".join(_FOLDERS), "LC_ALL": "C"}
_NOT_FOUND = 127


def path_of(program: str) -> str:
    """Where ``program`` is; "" if the host does not have it."""
    for folder in _FOLDERS:
        if os.access(f"{folder}/{program}", os.X_OK):
            return f"{folder}/{program}"
    return ""


def run(arguments: list[str], text: bytes = b"") -> tuple[int, bytes]:
    """(exit code, output) of a program that reads ``text``; 127 if there is none; killed if it hangs."""
    path = path_of(arguments[0])
    if not path:
        return _NOT_FOUND, b""
    taken, told = os.memfd_create("in", os.MFD_CLOEXEC), os.memfd_create("out", os.MFD_CLOEXEC)
    try:
        os.write(taken, text)
        os.lseek(taken, 0, os.SEEK_SET)
        actions = [(os.POSIX_SPAWN_DUP2, taken, 0), *((os.POSIX_SPAWN_DUP2, told, fd) for fd in (1, 2))]
        pid = os.posix_spawn(path, arguments, _ENVIRONMENT, file_actions=actions)
        code = wait(pid, _SECONDS)
        return code, os.pread(told, os.fstat(told).st_size, 0)
    finally:
        os.close(taken)
        os.close(told)


def wait(pid: int, seconds: float) -> int:
    """The exit code of the child ``pid``, which is killed if it takes longer."""
    pidfd = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        if not poller.poll(seconds * 1000):
            signals.pidfd_send_signal(pidfd, signals.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(pidfd)
