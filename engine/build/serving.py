"""Owns the worker side of a build: one process that carries out all its changes to trees, one by one.

A fork with its imports costs more than most steps do, so one worker serves a whole build: it reads requests
(JSON lines) from its socket and answers each. Refuses to outlive the build, as every worker does.
"""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

from engine.build import steps
from engine.build.context import checksums
from engine.layer.commit import commit, sync_layers
from engine.layer.tree import remove
from engine.shim.overlay import private_mounts
from engine.shim.worker import describe

if TYPE_CHECKING:
    from collections.abc import Callable

_CALLS: dict[str, Callable[[dict[str, Any], list[int]], Any]] = {
    "commit": commit,
    "copy": steps.copy_step,
    "workdir": steps.workdir_step,
    "sync": sync_layers,
    "checksums": checksums,
    "remove": remove,
}


def serve(arguments: dict[str, Any], fds: list[int]) -> None:  # noqa: ARG001 - a worker's signature
    """Worker: answer requests on the socket ``fds[0]`` until its other end is closed."""
    private_mounts()
    with socket.socket(fileno=fds[0]) as connection, connection.makefile("rb") as requests:
        for line in requests:
            connection.sendall(json.dumps(_answer(json.loads(line))).encode() + b"\n")


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": _CALLS[request["call"]](request["arguments"], [])}
    except Exception as error:  # noqa: BLE001 - whatever it is, the build has to hear of it
        return {"error": describe(error)}
