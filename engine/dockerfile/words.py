"""Owns how an instruction's text splits into flags, words, pairs and JSON; refuses to expand variables.

Source: the Dockerfile reference (exec and shell form, ENV's two forms) and BuildKit's observable splitting.
"""

from __future__ import annotations

import msgspec

from engine.dockerfile.lines import WHITESPACE
from engine.errors import InvalidInput


class Pair(msgspec.Struct, frozen=True):
    """``name=value`` as written; ``separator`` is "" for the old form with a space."""

    name: str
    value: str
    separator: str = "="


def split_flags(text: str) -> tuple[tuple[str, ...], str]:
    """The leading ``--flag[=value]`` words, quotes removed, and the rest; ``--`` alone ends them."""
    flags: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if not text.startswith("--", position):
            return tuple(flags), text[position:]
        word, position = _flag_word(text, position)
        if word == "--":
            return tuple(flags), text[position:]
        flags.append(word)


def _flag_word(text: str, position: int) -> tuple[str, int]:
    word = ""
    quote = ""
    while position < len(text):
        character = text[position]
        position += 1
        if quote:
            if character == quote:
                quote = ""
                continue
        elif character.isspace():
            return word, position - 1
        elif character in "'\"":
            quote = character
            continue
        if character == "\\":
            # An escape at the very end of the text is dropped.
            character = text[position : position + 1]
            position += 1
        word += character
    return word, position


def split_quoted(text: str, escape: str) -> tuple[str, ...]:
    """Words of ``text``; quotes and escapes protect spaces and stay as they are written."""
    words: list[str] = []
    word, quote, position = "", "", 0
    while position < len(text):
        character = text[position]
        position += 1
        if quote:
            quote = "" if character == quote else quote
            escapes = character == escape and quote != "'"
        elif character.isspace():
            if word:
                words.append(word)
            word = ""
            continue
        else:
            quote = character if character in "'\"" else ""
            escapes = character == escape
        if escapes:
            if position == len(text):
                break  # an escape with nothing to protect
            character += text[position]
            position += 1
        word += character
    return (*words, word) if word else tuple(words)


def split_pairs(text: str, escape: str, instruction: str) -> tuple[Pair, ...]:
    """``ENV`` and ``LABEL``: ``a=1 b=2``, or the old form ``a the rest``."""
    words = split_quoted(text, escape)
    if not words:
        return ()
    if "=" not in words[0]:
        parts = WHITESPACE.split(text, maxsplit=1)
        if len(parts) < 2:  # noqa: PLR2004
            raise InvalidInput("", f"{instruction} must have two arguments")
        return (Pair(parts[0], parts[1], ""),)
    pairs: list[Pair] = []
    for word in words:
        name, separator, value = word.partition("=")
        if not separator:
            reason = f'Syntax error - can\'t find = in "{word}". Must be of the form: name=value'
            raise InvalidInput("", reason)
        pairs.append(Pair(name, value))
    return tuple(pairs)


def split_whitespace(text: str) -> tuple[str, ...]:
    """Words between blanks; nothing protects a blank."""
    return tuple(WHITESPACE.split(text)) if text else ()


def split_json(text: str) -> tuple[str, ...] | None:
    """The strings of a JSON array (the exec form), or None where ``text`` is not one."""
    if not text.startswith("["):
        return None
    try:
        values = msgspec.json.decode(text.encode("utf-8", "surrogateescape"), type=list)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if not all(isinstance(value, str) for value in values):
        reason = "when using JSON array syntax, arrays must be comprised of strings only"
        raise InvalidInput("", reason, remedy="quote each element")
    return tuple(values)
