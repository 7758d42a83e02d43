"""Owns finding the machine's tiny init for ``--init``; refuses to bring one along."""

from __future__ import annotations

import os

from engine.errors import RuntimeFailure

_NAMES = ("docker-init", "tini-static", "catatonit", "tini")
_FOLDERS = (
    "/usr/libexec/podman",
    "/usr/libexec/docker",
    "/usr/lib/docker",
    "/usr/local/bin",
    "/usr/bin",
    "/sbin",
)


def find_init() -> str:
    """The path of the first that is there; those that are static everywhere come first."""
    for name in _NAMES:
        for folder in _FOLDERS:
            path = f"{folder}/{name}"
            if os.access(path, os.X_OK):
                return path
    raise RuntimeFailure(
        "--init",
        reason="no init for containers is installed on this machine",
        remedy="apt-get install catatonit (or tini), or run without --init",
    )
