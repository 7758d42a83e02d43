"""Owns a host of its own for the command line: a network namespace in which a root's containers run.

Whatever a storm does to addresses, ports and rules stays in it.
"""

from __future__ import annotations

import secrets
import subprocess
from typing import TYPE_CHECKING

from tests.support.command_line import CommandLine
from tests.support.netlab_hosts import ContainerHost

if TYPE_CHECKING:
    from engine.paths import Paths


class Island(CommandLine):
    """``tuidock`` on the root of a host; ``other`` is one for a second root on the same host."""

    def __init__(self, host: ContainerHost, paths: Paths) -> None:
        super().__init__(paths)
        self.host, self.paths = host, paths

    def argv(self, *arguments: str) -> list[str]:
        environ = (f"TUIDOCK_ROOT={self.paths.root}", f"TUIDOCK_RUN={self.paths.run}")
        return self.host.argv("env", *environ, *super().argv(*arguments))

    def run(self, *command: str) -> str:
        """What a command prints on this host."""
        done = subprocess.run(
            self.host.argv(*command), check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout


def new_host(folder: str) -> ContainerHost:
    """A host with nothing but its loopback; ``close`` ends it."""
    host = ContainerHost(f"td{secrets.token_hex(4)}", "198.18.9.1", "fd00:198:18:9::1", folder)
    host.ip("link", "set", "lo", "up")
    return host
