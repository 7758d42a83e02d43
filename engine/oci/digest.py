"""Owns digests, ids and chain ids; refuses I/O and any algorithm but SHA-256.

Source: OCI image-spec, descriptor.md (digests) and config.md (Layer ChainID).
"""

from __future__ import annotations

import importlib
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.errors import InvalidInput

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable, Iterable

_DIGEST = r"sha256:[0-9a-f]{64}\Z"


def sha256(content: bytes) -> str:
    """The digest ``sha256:<hex>`` of ``content``."""
    return f"sha256:{_hash()(content).hexdigest()}"


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


def _hash() -> Callable[[bytes], hashlib._Hash]:
    """SHA-256 from below hashlib, as ``random`` takes it: OpenSSL costs 3 ms of a start to load."""
    for name in ("_sha2", "_sha256"):  # from Python 3.12 on; before
        with suppress(ImportError):
            made: Callable[[bytes], hashlib._Hash] = importlib.import_module(name).sha256
            return made
    import hashlib

    return hashlib.sha256
