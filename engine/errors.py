"""Owns the one tree of errors that the engine raises; refuses to print, log or exit.

::

    EngineError
    ├── NotFound(kind, name)              no such container, image, volume, network, job
    ├── Conflict(kind, name, reason)      name in use, container running, image in use
    ├── InvalidInput(subject, reason)     a value the caller gave cannot be used
    │   ├── InvalidReference              an image reference that does not parse
    │   ├── InvalidArchive                an archive that is corrupt or unsafe
    │   └── DockerfileSyntaxError         path, line, span and the source line; prints a caret
    ├── RegistryError(code, temporary)    a registry refused or broke off
    ├── BuildFailed(step, exit_code, …)   a build step failed
    ├── RuntimeFailure(stage, syscall, errno_, path)   the kernel or the sandbox refused
    │   ├── CommandNotFound               exit code 127
    │   ├── CommandNotExecutable          exit code 126
    │   └── SupervisorTooOld              a container that an older release has started
    ├── NetworkFailure(operation, reason) netlink, addresses or ports
    ├── StoreFailure(path, reason)        disk full, unreadable record, newer schema
    ├── OutputFailed(reason, closed)      the receiver of an archive is full, or has gone
    └── PermissionRequired(operation)     needs root (or a capability) that is not there

Every error carries fields, a one-line ``str()`` that names the thing and what was wrong, and a
``remedy`` (may be empty) that says what to do. Front ends print ``str(error)`` and the remedy.
"""

from __future__ import annotations

import errno as errno_module
import os


class EngineError(Exception):
    """Any failure that the engine explains; ``remedy`` says what to do about it."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message


class NotFound(EngineError):
    """The named object does not exist."""

    def __init__(self, kind: str, name: str, *, remedy: str = "") -> None:
        message = f"network {name} not found" if kind == "network" else f"No such {kind}: {name}"
        super().__init__(message, remedy=remedy)
        self.kind = kind
        self.name = name


class Conflict(EngineError):
    """The object is in a state, or holds a name, that forbids the operation."""

    def __init__(self, kind: str, name: str, reason: str, *, remedy: str = "") -> None:
        super().__init__(reason, remedy=remedy)
        self.kind = kind
        self.name = name
        self.reason = reason


class InvalidInput(EngineError):
    """A value that the caller gave cannot be used; ``subject`` names it."""

    def __init__(self, subject: str, reason: str, *, remedy: str = "") -> None:
        super().__init__(f"{subject}: {reason}" if subject else reason, remedy=remedy)
        self.subject = subject
        self.reason = reason


class InvalidReference(InvalidInput):
    """An image reference that distribution/reference would refuse."""


class InvalidArchive(InvalidInput):
    """An archive or layer that is truncated, corrupt, or would write outside its tree."""


class DockerfileSyntaxError(InvalidInput):
    """A Dockerfile that cannot be parsed.

    ``line`` counts from 1; ``span`` is (start, end) in characters of ``source``, end exclusive.
    """

    def __init__(
        self,
        reason: str,
        *,
        path: str = "Dockerfile",
        line: int = 0,
        span: tuple[int, int] = (0, 0),
        source: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(f"{path}:{line}" if line else path, reason, remedy=remedy)
        self.path = path
        self.line = line
        self.span = span
        self.source = source

    def caret(self) -> str:
        """Two lines, the source line and a caret under the span; empty without a source."""
        if not self.source:
            return ""
        start, end = self.span
        indent = "".join("\t" if character == "\t" else " " for character in self.source[:start])
        return f"{self.source}\n{indent}{'^' * max(1, end - start)}"


class RegistryError(EngineError):
    """A registry's refusal; ``temporary`` says whether trying again may help."""

    def __init__(self, message: str, *, code: str, temporary: bool, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.code = code
        self.temporary = temporary


class BuildFailed(EngineError):
    """A build step that ended with a non-zero ``exit_code`` (1 where no process was at fault)."""

    def __init__(  # noqa: PLR0913 - each names a part of the failed step
        self,
        message: str,
        *,
        path: str,
        line: int,
        instruction: str,
        exit_code: int = 1,
        output: tuple[str, ...] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.path = path
        self.line = line
        self.instruction = instruction
        self.exit_code = exit_code
        self.output = output


class RuntimeFailure(EngineError):
    """The sandbox could not be made; ``stage`` says doing what, ``errno_`` is 0 if not a syscall's."""

    def __init__(
        self,
        stage: str,
        *,
        syscall: str = "",
        errno_: int = 0,
        path: str = "",
        reason: str = "",
        remedy: str = "",
    ) -> None:
        detail = reason or os.strerror(errno_)
        subject = " ".join(part for part in (syscall, path) if part)
        super().__init__(f"{stage}: {subject}: {detail}" if subject else f"{stage}: {detail}", remedy=remedy)
        self.stage = stage
        self.syscall = syscall
        self.errno_ = errno_
        self.errno_name = errno_module.errorcode.get(errno_, "")
        self.path = path


class CommandNotFound(RuntimeFailure):
    """The container's command does not exist in its image (exit code 127)."""


class CommandNotExecutable(RuntimeFailure):
    """The container's command exists but cannot be executed (exit code 126)."""


class SupervisorTooOld(RuntimeFailure):
    """The container was started by a release that did not have this operation yet."""


class NetworkFailure(EngineError):
    """A network operation failed."""

    def __init__(self, operation: str, reason: str, *, remedy: str = "") -> None:
        super().__init__(f"{operation}: {reason}", remedy=remedy)
        self.operation = operation
        self.reason = reason


class StoreFailure(EngineError):
    """The state on disk could not be read or written."""

    def __init__(self, path: str, reason: str, *, remedy: str = "") -> None:
        super().__init__(f"{path}: {reason}", remedy=remedy)
        self.path = path
        self.reason = reason


class OutputFailed(EngineError):
    """An archive could not be written where the caller wanted it; ``closed``: its reader has gone."""

    def __init__(self, reason: str, *, closed: bool = False, remedy: str = "") -> None:
        super().__init__(f"write the archive: {reason}", remedy=remedy)
        self.reason = reason
        self.closed = closed


class PermissionRequired(EngineError):
    """The operation needs a privilege that this process does not have."""

    def __init__(self, operation: str, *, remedy: str = "") -> None:
        super().__init__(f"{operation}: permission denied", remedy=remedy)
        self.operation = operation
