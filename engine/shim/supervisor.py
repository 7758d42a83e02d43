"""Owns the process above one container."""

from __future__ import annotations


def main(descriptors: list[int]) -> None:
    """Become the supervisor that the request asks for; does not return."""
    raise SystemExit(1)
