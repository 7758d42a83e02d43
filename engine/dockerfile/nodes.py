"""Owns logical lines → nodes: flags and arguments apart, ONBUILD's trigger inside; gives them no meaning.

Source: BuildKit's parse tree, whose rows tests/engine/dockerfile compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.dockerfile.lines import WHITESPACE, Heredoc, Line
from engine.dockerfile.words import Pair, split_flags, split_json, split_pairs, split_quoted, split_whitespace

if TYPE_CHECKING:
    from collections.abc import Callable

_TAKES_HEREDOC = frozenset({"ADD", "COPY", "RUN"})


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One instruction split up; ``json`` where the arguments came in exec form."""

    instruction: str
    original: str
    start: int
    end: int
    flags: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    json: bool = False
    heredocs: tuple[Heredoc, ...] = ()
    comments: tuple[str, ...] = ()
    trigger: Node | None = None


def to_node(line: Line, escape: str) -> Node:
    """``line`` split by its instruction's own rules; InvalidInput where they are broken."""
    flags, rest = split_flags(line.value)
    rest = rest.strip()
    node = Node(
        instruction=line.instruction,
        original=line.original,
        start=line.start,
        end=line.end,
        flags=flags,
        heredocs=line.heredocs,
        comments=line.comments,
    )
    if line.instruction in {"ENV", "LABEL"}:
        return msgspec.structs.replace(node, pairs=split_pairs(rest, escape, line.instruction))
    if line.instruction == "ONBUILD":
        trigger = to_node(_trigger_line(line, rest), escape) if rest else None
        return msgspec.structs.replace(node, trigger=trigger)
    split = _SPLITTERS.get(line.instruction)
    if split is None:
        return node
    arguments, json = split(rest, escape)
    return msgspec.structs.replace(node, arguments=arguments, json=json)


def takes_heredocs(text: str) -> bool:
    """Whether ``<<NAME`` in the logical line ``text`` opens a here-document."""
    name, rest = _head(text.strip())
    if name == "ONBUILD":
        name, rest = _head(rest)
    if name not in _TAKES_HEREDOC:
        return False
    return split_json(split_flags(rest)[1].strip()) is None


def _head(text: str) -> tuple[str, str]:
    words = WHITESPACE.split(text, maxsplit=1)
    return words[0].upper(), words[1] if len(words) > 1 else ""


def _trigger_line(line: Line, rest: str) -> Line:
    words = WHITESPACE.split(rest, maxsplit=1)
    return msgspec.structs.replace(
        line,
        instruction=words[0].upper(),
        value=words[1].strip() if len(words) > 1 else "",
        original=rest,
    )


_Split = tuple[tuple[str, ...], bool]


def _one(text: str, _escape: str) -> _Split:
    return ((text,) if text else ()), False


def _words(text: str, _escape: str) -> _Split:
    return split_whitespace(text), False


def _quoted(text: str, escape: str) -> _Split:
    return split_quoted(text, escape), False


def _json_or_one(text: str, escape: str) -> _Split:
    strings = split_json(text)
    return _one(text, escape) if strings is None else (strings, True)


def _json_or_words(text: str, escape: str) -> _Split:
    strings = split_json(text)
    return _words(text, escape) if strings is None else (strings, True)


def _health(text: str, escape: str) -> _Split:
    words = text.split(maxsplit=1)
    if not words:
        return (), False
    rest, json = _json_or_one(words[1] if len(words) > 1 else "", escape)
    return (words[0], *rest), json


_SPLITTERS: dict[str, Callable[[str, str], _Split]] = {
    "ADD": _json_or_words,
    "ARG": _quoted,
    "CMD": _json_or_one,
    "COPY": _json_or_words,
    "ENTRYPOINT": _json_or_one,
    "EXPOSE": _words,
    "FROM": _words,
    "HEALTHCHECK": _health,
    "MAINTAINER": _one,
    "RUN": _json_or_one,
    "SHELL": _json_or_one,
    "STOPSIGNAL": _one,
    "USER": _one,
    "VOLUME": _json_or_words,
    "WORKDIR": _one,
}
