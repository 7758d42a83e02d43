"""Owns what a build step does to a tree, as values with nothing left to expand; refuses doing it."""

from __future__ import annotations

import msgspec


class Operation(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base: JSON of an operation, with the parent layer and the content, is its cache key."""


class RunOperation(Operation, frozen=True, kw_only=True):
    """A process in the tree; ``env`` as ``K=V`` holds ENV and the ARGs that are visible.

    ``proxies`` reach the process too, but neither the cache key nor the history.
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    user: str
    network: str
    proxies: tuple[str, ...] = ()
    script: str = ""
    """A here-document that begins with ``#!``: written to a file that is executed, ``args`` name it."""


class CopySource(msgspec.Struct, frozen=True, kw_only=True):
    """Where files come from: the context, an earlier stage (its index) or an image."""

    kind: str
    """context, stage or image."""
    stage: int = -1
    image: str = ""


class Content(msgspec.Struct, frozen=True):
    """A file whose text stands in the Dockerfile (COPY <<name)."""

    name: str
    text: str


class CopyOperation(Operation, frozen=True, kw_only=True):
    """Files into the tree; ``destination`` is absolute, a trailing slash says that it is a folder."""

    source: CopySource
    sources: tuple[str, ...]
    destination: str
    contents: tuple[Content, ...] = ()
    unpack: bool = False
    chown: str = ""
    chmod: str = ""
    exclude: tuple[str, ...] = ()
    parents: bool = False


class WorkdirOperation(Operation, frozen=True, kw_only=True):
    """A folder is there, made with its parents as root's, mode 0755, where it was not."""

    path: str


AnyOperation = RunOperation | CopyOperation | WorkdirOperation
