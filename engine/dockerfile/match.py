"""Owns Go's path patterns: filepath.Clean, filepath.Match and the form with ``**``; refuses file systems.

Source: Go's path/filepath (Match, Clean) and moby/patternmatcher (``**`` and its prefix and suffix forms).
"""

from __future__ import annotations

import re
from functools import lru_cache

from engine.errors import InvalidInput

_ANY_NAME = "[^/]*"
_ANY_CHARACTER = "[^/]"


def clean(path: str) -> str:
    """The shortest equivalent of ``path`` as Go's filepath.Clean gives it ("" becomes ".")."""
    rooted = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if kept and kept[-1] != "..":
                kept.pop()
            elif not rooted:
                kept.append(part)
        elif part not in {"", "."}:
            kept.append(part)
    joined = "/".join(kept)
    return f"/{joined}" if rooted else joined or "."


def has_wildcards(name: str) -> bool:
    """Whether ``name`` has characters that filepath.Match treats specially, escapes looked through."""
    position = 0
    while position < len(name):
        if name[position] == "\\":
            position += 1
        elif name[position] in "*?[":
            return True
        position += 1
    return False


def unescape(name: str) -> str:
    """``name`` without the backslashes that keep characters from being wildcards."""
    return re.sub(r"\\(.)", r"\1", name)


def match(pattern: str, name: str) -> bool:
    """Go's filepath.Match; InvalidInput for a pattern that Go calls bad."""
    return compile_match(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1024)
def compile_match(pattern: str) -> re.Pattern[str]:
    """``pattern`` of filepath.Match as a regular expression for ``fullmatch``."""
    return re.compile("".join(_pieces(pattern, double_star=False)), re.DOTALL)


@lru_cache(maxsize=1024)
def compile_ignore(pattern: str) -> re.Pattern[str]:
    """A cleaned .dockerignore pattern (``**`` crosses folders) as a regular expression for ``fullmatch``."""
    compile_match(pattern)  # the syntax is checked as if there were no double stars, as moby does
    rest = pattern.removeprefix("**")
    if rest != pattern and not _is_special(rest):
        # moby compares suffixes here, so that **file matches afile too.
        optional = f"|{re.escape(rest[1:])}" if rest.startswith("/") else ""
        return re.compile(f"(?:.*{re.escape(rest)}{optional})", re.DOTALL)
    return re.compile("".join(_pieces(pattern, double_star=True)), re.DOTALL)


def _is_special(text: str) -> bool:
    return any(character in "*?[]\\" for character in text)


def _pieces(pattern: str, *, double_star: bool) -> list[str]:
    pieces: list[str] = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if double_star and pattern.startswith("**", position):
            position += 3 if pattern.startswith("/", position + 2) else 2
            pieces.append(".*" if position >= len(pattern) else "(?:.*/)?")
            continue
        if character == "*":
            pieces.append(_ANY_NAME)
        elif character == "?":
            pieces.append(_ANY_CHARACTER)
        elif character == "[":
            piece, position = _class(pattern, position + 1)
            pieces.append(piece)
            continue
        else:
            literal, position = _literal(pattern, position)
            pieces.append(re.escape(literal))
            continue
        position += 1
    return pieces


def _class(pattern: str, position: int) -> tuple[str, int]:
    negated = pattern.startswith("^", position)
    position += negated
    ranges: list[str] = []
    while True:
        if ranges and pattern.startswith("]", position):
            inside = "".join(ranges)
            if not inside:
                return ("." if negated else "(?!)"), position + 1
            return f"[{'^' if negated else ''}{inside}]", position + 1
        if position >= len(pattern) or pattern[position] in "-]":
            raise _bad(pattern)
        low, position = _literal(pattern, position)
        high = low
        if pattern.startswith("-", position):
            if position + 1 >= len(pattern) or pattern[position + 1] in "-]":
                raise _bad(pattern)
            high, position = _literal(pattern, position + 1)
        if position >= len(pattern):
            raise _bad(pattern)
        # A range that runs backwards matches nothing in Go, and is an error in Python.
        ranges.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")


def _literal(pattern: str, position: int) -> tuple[str, int]:
    if pattern[position] == "\\":
        position += 1
        if position >= len(pattern):
            raise _bad(pattern)
    return pattern[position], position + 1


def _bad(pattern: str) -> InvalidInput:
    return InvalidInput(
        repr(pattern),
        "syntax error in pattern",
        remedy="close every [ and escape with one \\",
    )
