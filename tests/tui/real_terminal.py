"""Owns a real terminal for tests: tuidock in a tmux of its own, keys sent, the screen captured."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.paths import Paths

PATIENCE = 30.0


class Tmux:
    """One tmux server with one window that runs a shell which ran tuidock."""

    def __init__(self, paths: Paths, *, columns: int = 120, rows: int = 36) -> None:
        self._server = f"td{secrets.token_hex(4)}"
        environ = {
            **{name: value for name, value in os.environ.items() if name not in {"TMUX", "SSH_CONNECTION"}},
            "TUIDOCK_RUN": paths.run,
            "XDG_CONFIG_HOME": f"{os.path.dirname(paths.root)}/config",
            "PS1": "shell> ",
            "ENV": "",
        }
        command = f"{sys.executable} -m tuidock --root {paths.root}; echo code=$?; exec sh"
        size = ("-x", str(columns), "-y", str(rows))
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, command, environ=environ)

    def _tmux(self, *arguments: str, environ: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._server, *arguments], check=False, capture_output=True, text=True, env=environ
        )
        return done.stdout

    def send(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    @property
    def text(self) -> str:
        return self._tmux("capture-pane", "-p")

    @property
    def shell(self) -> int:
        """The pid of the shell that started tuidock."""
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    @property
    def tuidock(self) -> int:
        """The pid of the interface itself: the shell's child."""
        with open(f"/proc/{self.shell}/task/{self.shell}/children", encoding="ascii") as file:
            return int(file.read().split()[0])

    def shows(self, text: str, patience: float = PATIENCE) -> None:
        """Wait for ``text`` on the screen."""
        deadline = time.monotonic() + patience
        while text not in (screen := self.text):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {text!r}; on the screen:\n{screen}")
            time.sleep(0.05)

    def close(self) -> None:
        self._tmux("kill-server")


def gone(pid: int, patience: float) -> bool:
    """Whether the process ended within ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.01)
    return False
