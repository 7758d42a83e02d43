"""Owns .dockerignore: reading the file and deciding what it excludes; refuses to walk folders.

Source: moby/patternmatcher (MatchesOrParentMatches) and its ignorefile reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.dockerfile.match import clean, compile_ignore
from engine.errors import InvalidInput

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable


def read_patterns(text: str) -> tuple[str, ...]:
    """The patterns of a .dockerignore file, in order, comments and blank lines left out."""
    patterns: list[str] = []
    for line in text.removeprefix("\ufeff").split("\n"):
        if line.startswith("#"):
            continue
        pattern = line.strip()
        if not pattern:
            continue
        inverted = pattern.startswith("!")
        if inverted:
            pattern = pattern[1:].strip()
        if pattern:
            pattern = clean(pattern)
            if len(pattern) > 1 and pattern.startswith("/"):
                pattern = pattern[1:]
        patterns.append(f"!{pattern}" if inverted else pattern)
    return tuple(patterns)


class IgnoreMatcher:
    """What a list of patterns excludes; the last pattern that matches a path wins."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns: list[tuple[bool, re.Pattern[str]]] = []
        for raw in patterns:
            pattern = raw.strip()
            if not pattern:
                continue
            pattern = clean(pattern)
            inverted = pattern.startswith("!")
            if inverted:
                pattern = pattern[1:]
                if not pattern:
                    raise InvalidInput(".dockerignore", 'illegal exclusion pattern: "!"')
            self._patterns.append((inverted, compile_ignore(pattern)))
        self.has_exceptions = any(inverted for inverted, _ in self._patterns)
        """Whether a ``!`` pattern may bring back something below an excluded folder."""

    def excludes(self, path: str) -> bool:
        """Whether ``path`` (relative, slashes) is left out of the context."""
        path = clean(path)
        if path == "." or not self._patterns:
            return False
        parts = path.split("/")
        names = [path, *("/".join(parts[:end]) for end in range(1, len(parts)))]
        if path.startswith("/"):
            names = [name for name in names if name]
        excluded = False
        for inverted, pattern in self._patterns:
            if inverted == excluded and any(pattern.fullmatch(name) for name in names):
                excluded = not inverted
        return excluded
