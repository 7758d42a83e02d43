"""Owns digests, ids and chain ids; refuses I/O and any algorithm but SHA-256.

Source: OCI image-spec, descriptor.md (digests) and config.md (Layer ChainID).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

_DIGEST = r"sha256:[0-9a-f]{64}\Z"


def sha256(content: bytes) -> str:
    """The digest ``sha256:<hex>`` of ``content``."""
    import hashlib  # with OpenSSL: 4 ms for those who check nothing

    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def check(digest: str) -> str:
    """``digest`` itself, or InvalidInput if it is not ``sha256:`` and 64 lower-case hex digits."""
    if not re.match(_DIGEST, digest):
        raise InvalidInput("digest", f"{digest!r} is not sha256: and 64 hex digits")
    return digest


def chain_ids(diff_ids: Iterable[str]) -> tuple[str, ...]:
    """The chain id of every layer, bottom first, for the diff ids of an image."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(chain_id(chain[-1] if chain else None, diff_id))
    return tuple(chain)


def chain_id(parent: str | None, diff_id: str) -> str:
    """The chain id of a layer with ``diff_id`` on top of the chain ``parent`` (None at the bottom)."""
    return diff_id if parent is None else sha256(f"{parent} {diff_id}".encode())
