"""Owns cache keys: a digest over the parent layer, the operation and the content that it reads; pure.

Equal keys mean an equal step, in whichever build: the parent is a chain id, which is a digest of content.
Times of files are no part of it, nor are proxies. Refuses to look at trees: content comes as a checksum.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from engine.build.operations import CopyOperation, RunOperation

if TYPE_CHECKING:
    from engine.build.operations import AnyOperation

_VERSION = 1
"""Raised when steps come to mean something else, so that old results are not found."""

_encoder = msgspec.json.Encoder(order="deterministic")


def step_key(parent: str, operation: AnyOperation, content: str = "", network: str = "") -> str:
    """The key of ``operation`` on the layer ``parent`` ("" at the bottom).

    ``content`` is the checksum of what COPY reads from the context, or the chain id of the stage or image
    that it reads; ``network`` is what the build's ``--network`` makes of a RUN.
    """
    if isinstance(operation, RunOperation):
        operation = replace(operation, proxies=(), network=network or operation.network)
    elif isinstance(operation, CopyOperation):
        # A stage's number and an image's name say nothing: ``content`` is the chain id behind them.
        operation = replace(operation, source=replace(operation.source, stage=-1, image=""))
    body = _encoder.encode([_VERSION, parent, operation, content])
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
