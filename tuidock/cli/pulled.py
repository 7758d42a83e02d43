"""Owns what is said of a pull once it is over, in Docker's words; refuses to write.

Source: moby, distribution/pull.go (writeStatus).
"""

from __future__ import annotations


def pulled_lines(name: str, *digests: str, newer: bool) -> list[str]:
    """The digests of what came, and whether ``name`` means something else than before."""
    status = "Downloaded newer image" if newer else "Image is up to date"
    return [*(f"Digest: {digest}" for digest in digests), f"Status: {status} for {name}"]
