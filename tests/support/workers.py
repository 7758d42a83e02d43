"""Owns functions that tests run in worker processes: they echo, report, fail and hang."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from engine import errors
from engine.shim.worker import report


def echo(arguments: dict[str, Any], fds: list[int]) -> Any:
    """What it got, and what the descriptors hold."""
    return {
        "arguments": arguments,
        "contents": [os.pread(fd, 100, 0).decode() for fd in fds],
        "pid": os.getpid(),
    }


def count(arguments: dict[str, Any], _fds: list[int]) -> str:
    """Reports 0, 1, 2 …"""
    for number in range(arguments["to"]):
        report(number)
    return "counted"


def fail(arguments: dict[str, Any], _fds: list[int]) -> None:
    """Raises the engine error that is asked for."""
    made = {
        "NotFound": errors.NotFound("image", "nosuch", remedy="pull it"),
        "DockerfileSyntaxError": errors.DockerfileSyntaxError(
            "bad", path="D", line=3, span=(1, 4), source="abcdef"
        ),
        "BuildFailed": errors.BuildFailed(
            "no", path="D", line=1, instruction="RUN x", exit_code=9, output=("a", "b")
        ),
        "RuntimeFailure": errors.RuntimeFailure("here", syscall="mount", errno_=2, path="/x"),
    }
    raise made[arguments["error"]]


def break_down(_arguments: dict[str, Any], _fds: list[int]) -> None:
    """Fails as a defect would."""
    raise ZeroDivisionError("a defect")


def miss(_arguments: dict[str, Any], _fds: list[int]) -> None:
    """Fails in a system call."""
    os.stat("/no/such/file")


def die(_arguments: dict[str, Any], _fds: list[int]) -> None:
    """Ends without an answer."""
    os._exit(3)


def hang(_arguments: dict[str, Any], _fds: list[int]) -> None:
    """Starts a child that hangs, reports both pids, waits for ever."""
    child = subprocess.Popen(["sleep", "1000"])
    report([os.getpid(), child.pid])
    child.wait()


def spin(_arguments: dict[str, Any], _fds: list[int]) -> None:
    """Reports its pid, then computes for ever."""
    report([os.getpid()])
    while True:
        pass


def write(_arguments: dict[str, Any], _fds: list[int]) -> None:
    """Prints, which must reach nobody's terminal."""
    print("must not be seen")
    print("must not be seen", file=sys.stderr, flush=True)
