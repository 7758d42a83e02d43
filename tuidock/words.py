"""Owns small wordings that several places share, pure; refuses anything longer than a phrase."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """``1 container``, ``2 containers``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
