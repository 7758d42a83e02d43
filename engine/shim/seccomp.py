"""Owns loading a compiled seccomp filter, the last step before the command; refuses to go without one.

Without no_new_privs the kernel asks for CAP_SYS_ADMIN, so that capability is kept until the filter stands and
dropped right after, as runc does; with it nothing is. Between the filter and the exec there is nothing else,
so that a narrow profile need not allow what only the engine calls. Source: seccomp(2).
"""

from __future__ import annotations

import errno
import os

from engine.shim import linux
from engine.shim.refusal import refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.shim.refusal import Stage

_SYS_ADMIN = 1 << 21
_LARGEST = 4096 * 8
"""The kernel takes 4096 instructions of 8 bytes."""
_UNCONFINED = "--security-opt seccomp=unconfined runs without a filter"


_kept: dict[str, bytes] = {}


def keep(wanted: dict | None, stage: Stage) -> None:  # type: ignore[type-arg]  # JSON
    """Read the program of ``wanted`` for this process and its forks: its file may go before them."""
    if wanted and wanted["path"] not in _kept:
        stage("reading the seccomp filter", wanted["path"])
        _kept[wanted["path"]] = _read(wanted["path"])


class Filter:
    """One program for this process, ``{"path", "flags"}``: read while the host's files can be, loaded later.

    ``capabilities`` are what the command is to have: effective, permitted and inheritable.
    """

    __slots__ = ("_flags", "_loaded", "_program", "capabilities")

    def __init__(self, wanted: dict | None, stage: Stage) -> None:  # type: ignore[type-arg]  # JSON
        self.capabilities = (0, 0, 0)
        self._program = b""
        self._flags = 0
        self._loaded = not wanted
        if wanted:
            stage("reading the seccomp filter", wanted["path"])
            self._program = _kept.get(wanted["path"]) or _read(wanted["path"])
            self._flags = wanted["flags"]

    def needs(self, *, no_new_privileges: bool) -> int:
        """The capabilities that loading takes, as a bit mask."""
        return 0 if self._loaded or no_new_privileges else _SYS_ADMIN

    def load(self, stage: Stage) -> None:
        """Load the program, once, and drop what only that took."""
        if self._loaded:
            return
        self._loaded = True
        before = stage.name
        stage("loading the seccomp filter")
        spare = linux.capget()[0] & ~self.capabilities[0]  # asked now: the filter need not allow the question
        try:
            linux.seccomp(self._program, self._flags)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOSYS) and not _supported():
                reason = "this kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)"
                raise refuse(stage.name, reason, remedy=_UNCONFINED) from error
            raise
        if spare:
            stage("dropping what loading the seccomp filter took")
            linux.capset(*self.capabilities)
        stage(before)


def _read(path: str) -> bytes:
    program = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(program, _LARGEST)
    finally:
        os.close(program)


def _supported() -> bool:
    try:
        linux.prctl(linux.PR_GET_SECCOMP)
    except OSError:
        return False
    return True
