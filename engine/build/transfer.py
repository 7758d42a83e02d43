"""Owns COPY and ADD → operation: which source, which destination, what Docker refuses; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.build.operations import Content, CopyOperation, CopySource
from engine.build.stages import source_stage
from engine.dockerfile.match import clean
from engine.errors import InvalidInput

if TYPE_CHECKING:
    from engine.build.stages import StageBase
    from engine.dockerfile.instructions import Copy
    from engine.oci.config import ContainerConfig

_REMOTE = re.compile(r"(https?://|git@|git://|ssh://)")
_OCTAL = re.compile(r"[0-7]{1,4}\Z")


def copy_operation(
    instruction: Copy, config: ContainerConfig, bases: tuple[StageBase, ...], current: int
) -> CopyOperation:
    """The operation of an expanded COPY or ADD in stage ``current``."""
    name = "ADD" if instruction.is_add else "COPY"
    destination = _destination(config, instruction.destination)
    count = len(instruction.sources) + len(instruction.contents)
    if count > 1 and not destination.endswith("/"):
        reason = (
            f"When using {name} with more than one source file, the destination must be a directory "
            "and end with a /"
        )
        raise InvalidInput("", reason, remedy=f"write {instruction.destination}/")
    if instruction.chmod and not _OCTAL.match(instruction.chmod):
        reason = f"invalid chmod parameter: '{instruction.chmod}'"
        raise InvalidInput("", f"{reason}. it should be octal string and between 0 and 07777")
    if instruction.is_add:
        _refuse_remote(instruction.sources)
    return CopyOperation(
        source=_source(instruction.source_stage, bases, current),
        sources=instruction.sources,
        destination=destination,
        contents=tuple(Content(content.name, content.text) for content in instruction.contents),
        unpack=instruction.is_add and instruction.unpack is not False,
        chown=instruction.chown,
        chmod=instruction.chmod,
        exclude=instruction.exclude,
        parents=instruction.parents,
    )


def missing(operation: CopyOperation, source: str) -> InvalidInput:
    """What is said when ``source`` is not there."""
    name = "ADD" if operation.unpack else "COPY"
    if operation.source.kind == "context":
        return InvalidInput(
            f"{name} failed",
            f"file not found in build context or excluded by .dockerignore: {source}",
            remedy="paths are relative to the context folder; nothing above it can be copied",
        )
    return InvalidInput(f"{name} failed", f'"{source}": not found', remedy="look at what --from names holds")


def _destination(config: ContainerConfig, path: str) -> str:
    joined = clean(path if path.startswith("/") else f"{config.working_dir or '/'}/{path}")
    is_folder = path.endswith(("/", "/.")) or path in {"", "."}
    return f"{joined}/" if is_folder and joined != "/" else joined


def _source(name: str, bases: tuple[StageBase, ...], current: int) -> CopySource:
    if not name:
        return CopySource(kind="context")
    index = source_stage(bases, current, name)
    if index is not None:
        return CopySource(kind="stage", stage=index)
    return CopySource(kind="image", image=name)


def _refuse_remote(sources: tuple[str, ...]) -> None:
    for source in sources:
        if _REMOTE.match(source):
            raise InvalidInput(
                "",
                f"ADD of a remote source is not supported yet: {source}",
                remedy="download it in a RUN step, or into the build context",
            )
