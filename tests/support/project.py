"""Owns what tests of the project itself ask: where it is, its source files, its documents' tables."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGES = ("engine", "tuidock")


def sources(*folders: str) -> list[Path]:
    """Every Python file below ``folders`` of the checkout, in order."""
    return sorted(path for folder in folders for path in Path(ROOT, folder).rglob("*.py"))


def section(document: str, heading: str) -> str:
    """The text of ``document`` below ``## heading``, up to the next heading of that level."""
    text = Path(ROOT, document).read_text(encoding="utf-8")
    _, found, rest = text.partition(f"\n## {heading}\n")
    if not found:
        raise AssertionError(f"{document} has no section {heading!r}")
    return rest.partition("\n## ")[0]


def code_lines(text: str) -> list[str]:
    """The lines of the fenced blocks in ``text``, without comments behind two spaces."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif inside and line.strip():
            lines.append(line.partition("  #")[0].rstrip())
    return lines
