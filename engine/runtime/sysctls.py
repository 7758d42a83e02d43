"""Owns which kernel parameters a container may have for itself; pure.

Refuses those of the whole host, in Docker's words. Sources: docker/cli opts.ValidateSysctl, runc's validator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_IPC = frozenset(
    "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni"
    " kernel.shm_rmid_forced".split()
)
_IPC_PREFIX, _NET_PREFIX = "fs.mqueue.", "net."


def check_sysctls(sysctls: Mapping[str, str], *, host_network: bool, host_ipc: bool) -> None:
    """InvalidInput for a parameter that belongs to no namespace of the container's own."""
    for name, value in sysctls.items():
        of_ipc, of_network = name in _IPC or name.startswith(_IPC_PREFIX), name.startswith(_NET_PREFIX)
        if not (of_ipc or of_network) or "/" in name:
            raise InvalidInput("", f"sysctl '{name}={value}' is not allowed")
        if of_network and host_network:
            raise InvalidInput("", f'sysctl "{name}" not allowed in host network namespace')
        if of_ipc and host_ipc:
            raise InvalidInput("", f'sysctl "{name}" is not allowed in the hosts ipc namespace')
