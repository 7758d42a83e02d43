"""Owns debian and ubuntu images, made by mmdebstrap or debootstrap; refuses to name a mirror."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

from engine.bootstrap import authorities
from engine.bootstrap.recipe import Recipe, append_root
from engine.bootstrap.sources import codename, configured_sources, sources_for
from engine.errors import InvalidInput, NetworkFailure, PermissionRequired
from engine.shim import worker

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMEDY = "install it (apt-get install mmdebstrap)"
_LAST_LINES = 5
_ISOLATED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"),
)
"""Both programs mount /proc, /sys and /dev/pts below the tree: in namespaces of their own, so that whatever
kills the worker also kills them, and takes their mounts away."""


def make_debian(tag: str, staging: str, host_ca: bool) -> Recipe:
    """Write the tar of Debian's suite ``tag`` (default: the machine's own, else stable)."""
    return _make("debian", tag, "stable", staging, host_ca)


def make_ubuntu(tag: str, staging: str, host_ca: bool) -> Recipe:
    """Write the tar of Ubuntu's suite ``tag`` (default: the machine's own)."""
    return _make("ubuntu", tag, "", staging, host_ca)


def _make(distribution: str, tag: str, default: str, staging: str, host_ca: bool) -> Recipe:
    if os.geteuid() != 0:
        raise PermissionRequired(f"image bootstrap {distribution}", remedy="run it as root")
    with open("/etc/os-release", encoding="utf-8") as file:
        machine, own = codename(file.read())
    same = machine == distribution
    suite = tag or (own if same else default)
    if not suite or not suite.replace("-", "").replace(".", "").isalnum():
        raise InvalidInput(f"{distribution}:{tag}", "a suite is needed", remedy=f"try {distribution}:SUITE")
    extra = authorities.entries() if host_ca else []
    path = f"{staging}/{distribution}.tar"
    sources = sources_for(suite, own, configured_sources()) if same else ""
    if shutil.which("mmdebstrap"):
        _mmdebstrap(suite, path, sources, staging)
    elif shutil.which("debootstrap"):
        _debootstrap(suite, path, sources, staging)
    else:
        raise InvalidInput("mmdebstrap", "is not installed on this machine", remedy=_REMEDY)
    append_root(path, extra)
    return Recipe(
        tar=path,
        name=f"{distribution}:{suite}",
        created_by=f"tuidock image bootstrap {distribution}:{suite}",
        cmd=("bash",),
    )


def _mmdebstrap(suite: str, path: str, sources: str, staging: str) -> None:
    command = ["mmdebstrap", "--variant=minbase", "--mode=root", "--format=tar", "--", suite, path]
    if sources:
        listed = f"{staging}/machine.sources"
        with open(listed, "w", encoding="utf-8") as file:
            file.write(sources)
        command.append(listed)
    _run(command, suite, staging)


def _debootstrap(suite: str, path: str, sources: str, staging: str) -> None:
    root = f"{staging}/root"
    command = ["debootstrap", "--variant=minbase", suite, root]
    first = next((line.split()[1] for line in sources.splitlines() if line.startswith("URIs:")), "")
    _run(command + ([first] if first else []), suite, staging)
    if sources:
        with open(f"{root}/etc/apt/sources.list", "w", encoding="utf-8") as file:
            file.write("")
        with open(f"{root}/etc/apt/sources.list.d/machine.sources", "w", encoding="utf-8") as file:
            file.write(sources)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in _without_downloads(root):
            archive.add(f"{root}/{name}", arcname=f"./{name}", recursive=False)


def _without_downloads(root: str) -> Iterator[str]:
    """Names below ``root``, folders first, but for the packages and lists that apt can fetch again."""
    for folder, folders, files in os.walk(root):
        relative = os.path.relpath(folder, root)
        folders.sort()
        yield relative
        if relative in {"var/cache/apt/archives", "var/lib/apt/lists"}:
            folders.clear()
            continue
        links = [name for name in folders if os.path.islink(f"{folder}/{name}")]
        for name in sorted(files + links):
            yield os.path.normpath(f"{relative}/{name}")
        folders[:] = [name for name in folders if name not in links]


def _run(command: list[str], suite: str, staging: str) -> None:
    """Run ``command``, reporting its lines; its temporary files go where a later open sweeps them."""
    environment = os.environ | {"TMPDIR": staging, "LC_ALL": "C.UTF-8"}
    lines: list[str] = []
    with subprocess.Popen(
        (*_ISOLATED, *command),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                worker.report({"message": lines[-1]})
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        # The programs' own last words: which package or file could not be fetched, and why.
        told = [line for line in lines if line.startswith(("E:", "W:"))] or lines
        raise NetworkFailure(
            f"{command[0]} {suite}",
            "; ".join(told[-_LAST_LINES:]) or f"exit code {process.returncode}",
            remedy="check the suite's name and that the machine's mirror can be reached (apt-get update)",
        )
