"""Owns loading an AppArmor profile, in a worker; refuses to choose one. Source: apparmor_parser(8)."""

from __future__ import annotations

import os

from engine.shim.refusal import refuse

_LOADED = "/sys/kernel/security/apparmor/profiles"


def load(arguments: dict, _fds: list[int]) -> bool:  # type: ignore[type-arg]  # JSON
    """Load the profile ``arguments["name"]`` of the text ``arguments["text"]`` unless it is there.

    Called in a worker; True if it had to be loaded.
    """
    if is_loaded(arguments["name"]):
        return False
    read, write = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, read, 0)]
    argv = [arguments["parser"], "-Kr"]
    pid = os.posix_spawn(argv[0], argv, dict(os.environ), file_actions=actions)
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as file:
        file.write(arguments["text"])
    _, status = os.waitpid(pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise refuse("loading the AppArmor profile", f"{argv[0]} ended with {code}", path=arguments["name"])
    return True


def is_loaded(name: str) -> bool:
    """Whether the kernel has the profile; False too where nothing tells."""
    try:
        with open(_LOADED, encoding="utf-8") as file:
            return any(line.rpartition(" (")[0] == name for line in file)
    except OSError:
        return False
