"""Owns where in an instruction words are expanded: exactly the places that the Dockerfile reference lists.

RUN, CMD, ENTRYPOINT, SHELL and HEALTHCHECK are left alone: their shell, or nobody, expands them. ONBUILD is
expanded when its trigger runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine.dockerfile.expand import expand_word, expand_words
from engine.dockerfile.instructions import (
    Copy,
    Env,
    Expose,
    Instruction,
    Label,
    StopSignal,
    User,
    Volume,
    Workdir,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.dockerfile.lines import Heredoc
    from engine.dockerfile.words import Pair


def expanded(  # noqa: PLR0911 - one case an instruction
    instruction: Instruction, environment: Mapping[str, str], escape: str
) -> Instruction:
    """``instruction`` with its words expanded; InvalidInput says which word is wrong."""

    def word(text: str) -> str:
        return expand_word(text, environment, escape)

    match instruction:
        case Env() | Label():
            return replace(
                instruction, pairs=tuple(_pair(pair, environment, escape) for pair in instruction.pairs)
            )
        case Copy():
            return _copy(instruction, environment, escape)
        case Expose():
            ports = [port for text in instruction.ports for port in expand_words(text, environment, escape)]
            return replace(instruction, ports=tuple(ports))
        case Workdir():
            return replace(instruction, path=word(instruction.path))
        case User():
            return replace(instruction, user=word(instruction.user))
        case Volume():
            return replace(instruction, paths=tuple(map(word, instruction.paths)))
        case StopSignal():
            return replace(instruction, signal=word(instruction.signal))
        case _:
            return instruction


def _pair(pair: Pair, environment: Mapping[str, str], escape: str) -> Pair:
    name = expand_word(pair.name, environment, escape)
    return replace(pair, name=name, value=expand_word(pair.value, environment, escape))


def _copy(instruction: Copy, environment: Mapping[str, str], escape: str) -> Copy:
    def word(text: str) -> str:
        return expand_word(text, environment, escape)

    def content(heredoc: Heredoc) -> Heredoc:
        if not heredoc.expand:
            return heredoc
        return replace(heredoc, content=expand_heredoc(heredoc.content, environment, escape))

    return replace(
        instruction,
        sources=tuple(map(word, instruction.sources)),
        destination=word(instruction.destination),
        chown=word(instruction.chown),
        chmod=word(instruction.chmod),
        exclude=tuple(map(word, instruction.exclude)),
        checksum=word(instruction.checksum),
        contents=tuple(map(content, instruction.contents)),
    )


def expand_heredoc(text: str, environment: Mapping[str, str], escape: str) -> str:
    """The body of a here-document whose name was not quoted: variables replaced, quotes kept."""
    return expand_word(text, environment, escape, quotes=False)
