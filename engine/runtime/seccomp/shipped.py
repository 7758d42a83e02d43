"""Owns the default profile and the compiled programs that come with the package; refuses to change them.

``default.json`` is Docker's default as of 2026 (moby/profiles, seccomp/default.json at 02e898b), without
the architectures that the engine does not run on. ``python -m engine.runtime.seccomp`` makes the programs.
"""

from __future__ import annotations

import os

from engine.runtime.capabilities import DEFAULT

_FOLDER = os.path.dirname(os.path.abspath(__file__))
_PROFILE = f"{_FOLDER}/default.json"
ASKED = frozenset(
    "BPF DAC_READ_SEARCH PERFMON SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT "
    "SYS_PTRACE SYS_RAWIO SYS_TIME SYS_TTY_CONFIG".split()
)
"""The capabilities that the default profile asks for."""
MACHINES = ("x86_64", "aarch64")
VARIANTS = (DEFAULT, frozenset[str](), DEFAULT | {"SYS_ADMIN"}, DEFAULT | {"SYS_PTRACE"}, ASKED)
"""Sets of capabilities whose programs are shipped."""
OLDEST_KERNEL = (5, 3)
"""Without pidfds the engine does not run; what the default profile asks of a kernel is older."""


def read_default() -> str:
    """The default profile's JSON."""
    with open(_PROFILE, encoding="utf-8") as file:
        return file.read()


def shipped_path(machine: str, capabilities: frozenset[str]) -> str:
    """Where the program for ``capabilities`` (without CAP_) would be."""
    asked = "+".join(sorted(capabilities & ASKED)).lower() or "none"
    return f"{_FOLDER}/compiled/{machine}-{'all' if capabilities >= ASKED else asked}.bpf"


def shipped_program(machine: str, capabilities: frozenset[str]) -> bytes | None:
    """The default profile's program; None where none is shipped."""
    try:
        with open(shipped_path(machine, capabilities), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def made_now(machine: str, capabilities: frozenset[str]) -> bytes:
    """The same as this machine's libseccomp compiles it."""
    import base64

    import msgspec

    from engine.oci.seccomp import Machine, parse, resolve
    from engine.shim.seccomp_compiler import compile_filter

    around = Machine(machine, OLDEST_KERNEL, frozenset(f"CAP_{name}" for name in capabilities))
    made = compile_filter(msgspec.to_builtins(resolve(parse(read_default()), around)))
    return base64.b64decode(str(made["program"]))
