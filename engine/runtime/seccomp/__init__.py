"""Owns which seccomp filter a container gets, and where its compiled program is: shipped, kept, or made now.

The default profile is Docker's. Its program for the usual capabilities is shipped; others, and other
profiles, are compiled once, in a worker, and kept until the next boot. Refuses to leave anything unconfined
that did not ask for it.
"""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any

from engine.errors import InvalidInput, RuntimeFailure
from engine.runtime.seccomp.shipped import ASKED, read_default, shipped_program

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.oci.seccomp import Profile
    from engine.paths import Paths
    from engine.runtime.launcher import Launcher

UNCONFINED, BUILTIN = "unconfined", "builtin"
_FORMAT = 1
"""Counts changes of what the compiler makes of one plan."""


def check_profile(profile: str) -> None:
    """InvalidInput for text that is no profile."""
    if profile not in ("", UNCONFINED, BUILTIN):
        from engine.oci.seccomp import parse

        parse(profile)


async def seccomp_filter(
    paths: Paths, launcher: Launcher, profile: str, capabilities: frozenset[str], *, privileged: bool = False
) -> dict[str, Any] | None:
    """The bundle's ``{"path", "flags"}`` of the filter; None for a container without.

    ``capabilities`` (without CAP_) are those of its bounding set. A privileged container has a filter only
    if a ``profile`` is named for it, as Docker's.
    """
    if profile == UNCONFINED or (privileged and not profile):
        return None
    machine = os.uname().machine
    if profile in ("", BUILTIN):
        program = shipped_program(machine, capabilities)
        if program is not None:
            # as a copy: an upgrade may replace the files of the package under a running container
            return {"path": _kept(paths, f"default-{machine}-{zlib.crc32(program):08x}", program), "flags": 0}
        text, capabilities = read_default(), capabilities & ASKED
    else:
        text = profile
    return await _compiled(paths, launcher, text, machine, capabilities)


def _kept(paths: Paths, name: str, program: bytes) -> str:
    path = f"{paths.seccomp}/{name}"
    if os.path.exists(path):
        return path
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(paths.seccomp, mode=0o700, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(program)
        os.rename(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RuntimeFailure(
            "keeping the seccomp filter", errno_=error.errno or 0, path=path, reason=reason
        ) from error
    return path


async def _compiled(
    paths: Paths, launcher: Launcher, text: str, machine: str, capabilities: Iterable[str]
) -> dict[str, Any]:
    import base64
    import hashlib
    import json

    from engine.oci.seccomp import load_flags, parse
    from engine.shim.seccomp_compiler import library_version

    parsed = parse(text)
    kernel, names = _kernel(), sorted(f"CAP_{name}" for name in capabilities)
    facts = [_FORMAT, text, machine, kernel, names, library_version()]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    flags, path = load_flags(parsed), f"{paths.seccomp}/{key}"
    if not os.path.exists(path):
        arguments = _arguments(parsed, machine, kernel, names)
        made = await launcher.work("engine.shim.seccomp_compiler:compile_filter", arguments)
        if "refused" in made:
            raise InvalidInput("seccomp profile", made["refused"])
        if "missing" in made:
            raise RuntimeFailure(
                "seccomp",
                reason="the filter for this profile and these capabilities has to be compiled,"
                " and libseccomp is not installed",
                remedy="apt-get install libseccomp2, or choose --security-opt seccomp=unconfined",
            )
        _kept(paths, key, base64.b64decode(made["program"]))
    return {"path": path, "flags": flags}


def _arguments(profile: Profile, machine: str, kernel: tuple[int, int], names: list[str]) -> Any:
    import msgspec

    from engine.oci.seccomp import Machine, resolve

    return msgspec.to_builtins(resolve(profile, Machine(machine, kernel, frozenset(names))))


def _kernel() -> tuple[int, int]:
    version, revision = os.uname().release.split(".")[:2]
    return int(version), int("".join(character for character in revision if character.isdigit()) or 0)
