"""Owns running the program as its users do: in a process of its own, on a test's root, in a pipe or a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.paths import Paths

_PATIENCE = 30


class CommandLine:
    """``tuidock`` on one root."""

    def __init__(self, paths: Paths) -> None:
        self.environ = {
            **os.environ,
            "TUIDOCK_ROOT": paths.root,
            "TUIDOCK_RUN": paths.run,
            "TUIDOCK_DEBUG": "",
            "TZ": "UTC",
        }

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tuidock", *arguments]

    def __call__(
        self, *arguments: str, stdin: bytes | None = None, cwd: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; text results, standard input empty unless given."""
        run = subprocess.run(
            self.argv(*arguments),
            env=self.environ,
            cwd=cwd,
            input=b"" if stdin is None else stdin,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
        return subprocess.CompletedProcess(
            run.args, run.returncode, run.stdout.decode(errors="replace"), run.stderr.decode(errors="replace")
        )

    def ok(self, *arguments: str, stdin: bytes | None = None, cwd: str | None = None) -> str:
        """Run, insist on success, return what it printed."""
        run = self(*arguments, stdin=stdin, cwd=cwd)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start it with pipes for all three streams."""
        return subprocess.Popen(
            self.argv(*arguments),
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


class InTerminal:
    """The program with all its streams on a terminal of its own."""

    def __init__(self, tuidock: CommandLine, *arguments: str, rows: int = 30, columns: int = 100) -> None:
        self._master, slave = pty.openpty()
        self._set_size(rows, columns)
        self.mode_before = termios.tcgetattr(slave)
        self._slave = slave
        self.process = subprocess.Popen(
            tuidock.argv(*arguments), env=tuidock.environ, stdin=slave, stdout=slave, stderr=slave
        )
        self.shown = ""

    @property
    def mode(self) -> list[int | list[bytes | int]]:
        return termios.tcgetattr(self._slave)

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        self._set_size(rows, columns)
        # not the controlling terminal of anybody here, so the kernel does not tell
        self.process.send_signal(signal.SIGWINCH)

    def wait_for(self, text: str) -> str:
        """Read until ``text`` was shown since the last call; returns what was shown until then."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self.shown:
            ready, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{text!r} was not shown, but {self.shown!r}"
            self.shown += os.read(self._master, 1 << 16).decode(errors="replace")
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def end(self) -> int:
        """Wait for the end; the exit code."""
        deadline = time.monotonic() + _PATIENCE
        while self.process.poll() is None:
            ready, _, _ = select.select([self._master], [], [], 0.02)
            if ready:
                self.shown += os.read(self._master, 1 << 16).decode(errors="replace")
            assert time.monotonic() < deadline, f"it goes on; it has shown {self.shown!r}"
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def _set_size(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
