"""Owns ``system start``, ``stop`` and ``install-service``: containers and the life of the machine."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from engine.errors import InvalidInput
from engine.options import ContainerFilter
from engine.paths import default_paths
from tuidock.cli import diagnostics, output
from tuidock.cli.command import PROGRAM, Command, Invocation
from tuidock.cli.commands.each import each
from tuidock.cli.flags import number, switch, text

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.paths import Paths

_UNITS = "/etc/systemd/system"
_SYSTEMD = "/run/systemd/system"
_TARGET = "multi-user.target"
_UNIT = """\
[Unit]
Description=Containers of tuidock in {root}
After=network-online.target nss-lookup.target time-sync.target
Wants=network-online.target
RequiresMountsFor={root_path}

[Service]
Type=oneshot
RemainAfterExit=yes
Environment={run}
ExecStart={program} system start
ExecStop={program} system stop
TimeoutStartSec=infinity
TimeoutStopSec={stop_seconds}

[Install]
WantedBy={target}
"""
_STOP_SECONDS = 300


async def _start(engine: Engine, _invocation: Invocation) -> int:
    code = 0
    for group in await engine.containers.due():
        code = max(code, await each([one.name for one in group], engine.containers.start))
    return code


async def _stop(engine: Engine, invocation: Invocation) -> int:
    running = await engine.containers.list(ContainerFilter())
    timeout = invocation.number("timeout")
    return await each([one.name for one in running], lambda name: engine.containers.shut_down(name, timeout))


async def _install(engine: Engine, invocation: Invocation) -> int:
    unit = service_unit(engine.paths)
    if invocation.switch("print"):
        output.text(unit)
        return 0
    folder, name = invocation.text("directory"), service_name(engine.paths)
    if folder == _UNITS and not os.path.isdir(_SYSTEMD):
        diagnostics.warn(
            "systemd does not run here: the unit starts nothing unless the machine boots with it"
        )
    path, link = f"{folder}/{name}", f"{folder}/{_TARGET}.wants/{name}"
    try:
        os.makedirs(os.path.dirname(link), exist_ok=True)
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write(unit)
        os.rename(f"{path}.new", path)
        if not os.path.lexists(link):
            os.symlink(f"../{name}", link)
    except OSError as error:
        raise InvalidInput(
            path,
            f"the unit cannot be written: {error.strerror}",
            remedy=f"run it as root, or print the unit: {PROGRAM} system install-service --print",
        ) from error
    output.line(path)
    diagnostics.line(
        f"From the next boot on it is started. Now: systemctl daemon-reload && systemctl start {name}"
    )
    return 0


def service_name(paths: Paths) -> str:
    """``tuidock.service``, or for a root of its own one that is named after it."""
    usual = default_paths({}, 0)
    suffix = "" if paths.root == usual.root else f"-{os.path.basename(paths.run).partition('-')[2]}"
    return f"{PROGRAM}{suffix}.service"


def service_unit(paths: Paths, interpreter: str = sys.executable) -> str:
    """The unit: after a boot it starts what should run, before a shutdown it stops what does."""
    words = [interpreter, "-P", "-m", PROGRAM, "--root", paths.root]
    return _UNIT.format(
        root=paths.root.replace("%", "%%"),
        root_path=_quoted(paths.root, command=False),
        run=_quoted(f"TUIDOCK_RUN={paths.run}", command=False),
        program=" ".join(map(_quoted, words)),
        stop_seconds=_STOP_SECONDS,
        target=_TARGET,
    )


def _quoted(word: str, *, command: bool = True) -> str:
    """As systemd.syntax(7) and, for a ``command``, systemd.service(5) want it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if command:
        escaped = escaped.replace("$", "$$")
    return f'"{escaped}"' if escaped != word or not word or any(mark in word for mark in " \t'") else word


START = Command(usage="", run=_start)
STOP = Command(
    usage="[OPTIONS]",
    run=_stop,
    flags=(number("timeout", "Seconds to wait before killing a container", "t", aliases=("time",)),),
)
INSTALL = Command(
    usage="[OPTIONS]",
    run=_install,
    flags=(
        text("directory", "Folder of the unit", default=_UNITS),
        switch("print", "Print the unit, and write nothing"),
    ),
)
