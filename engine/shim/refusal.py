"""Owns how the shim says what failed: one exception that carries the body of an ERROR frame."""

from __future__ import annotations

from engine.shim import wire


class Refusal(Exception):
    """Something that the shim cannot do; ``body`` is that of an ERROR frame (``wire.failure``)."""

    def __init__(self, body: dict[str, object]) -> None:
        super().__init__(body)
        self.body = body


class Stage:
    """What is being done now, in words that an error message can begin with."""

    __slots__ = ("name", "path")

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = ""

    def __call__(self, name: str, path: str = "") -> None:
        self.name = name
        self.path = path

    def explain(self, error: BaseException) -> dict[str, object]:
        """The body of an ERROR frame for ``error``, raised while this was the stage."""
        if isinstance(error, Refusal):
            return error.body
        if isinstance(error, OSError) and error.errno:
            filename = error.filename if isinstance(error.filename, str) else ""
            return wire.failure(
                "RuntimeFailure",
                stage=self.name,
                syscall=str(getattr(error, "syscall", "")),
                errno_=error.errno,
                path=self.path or filename,
                reason=error.strerror or "",
            )
        reason = str(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        return wire.failure("RuntimeFailure", stage=self.name, path=self.path, reason=reason)


def refuse(stage: str, reason: str, **fields: object) -> Refusal:
    """A RuntimeFailure that is no system call's: ``stage``: ``reason``."""
    return Refusal(wire.failure("RuntimeFailure", stage=stage, reason=reason, **fields))
