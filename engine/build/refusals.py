"""Owns the features that the parser knows and the executor does not have yet; one clear error each.

Refusing is the point: a flag that was read and ignored would build something else than was asked for.
``--link`` is not refused: it lets a cache go further, and the files come out the same without.
"""

from __future__ import annotations

from engine.dockerfile.instructions import Copy, Instruction, Run
from engine.errors import InvalidInput


def refuse_unbuilt(instruction: Instruction) -> None:
    """InvalidInput if ``instruction`` uses a feature that steps cannot carry out yet."""
    if isinstance(instruction, Run):
        _refuse_run(instruction)
    elif isinstance(instruction, Copy):
        _refuse_copy(instruction)


def _refuse_run(instruction: Run) -> None:
    if instruction.mounts:
        raise _unsupported(
            "RUN --mount", "copy what the step needs with COPY, and remove it in the same step"
        )
    if instruction.security not in {"", "sandbox"}:
        raise _unsupported(f"RUN --security={instruction.security}", "steps run in the sandbox")
    if instruction.network not in {"", "default", "none", "host"}:
        raise InvalidInput(
            "", f"invalid network mode: {instruction.network}", remedy="use default, none or host"
        )


def _refuse_copy(instruction: Copy) -> None:
    name = "ADD" if instruction.is_add else "COPY"
    if instruction.parents:
        raise _unsupported(f"{name} --parents", "name the destination folder of each source")
    if instruction.exclude:
        raise _unsupported(f"{name} --exclude", "leave the files out with .dockerignore")
    if instruction.checksum:
        raise _unsupported(f"{name} --checksum", "check the file in a RUN step")
    if instruction.keep_git_dir is not None:
        raise _unsupported(f"{name} --keep-git-dir", "clone in a RUN step")


def _unsupported(feature: str, remedy: str) -> InvalidInput:
    return InvalidInput("", f"{feature} is not supported yet", remedy=remedy)
