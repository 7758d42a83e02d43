"""Owns content-addressed files: put, look up, read; refuses bytes that do not match their digest.

Bytes are kept as they came. A blob appears by rename, complete and durable, or not at all.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from engine.errors import StoreFailure
from engine.oci import digest as digests
from engine.store.locks import store_failure

if TYPE_CHECKING:
    from engine.paths import Paths


class BlobStore:
    """The blobs below ``paths.blobs``."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def put(self, content: bytes) -> str:
        """Store a small document (config, manifest, index); returns its digest."""
        digest = digests.sha256(content)
        path = self._paths.blob(digest)
        if os.path.exists(path):
            return digest
        temporary = f"{self._paths.staging}/blob-{os.urandom(8).hex()}"
        try:
            os.makedirs(self._paths.blobs, mode=0o700, exist_ok=True)
            os.makedirs(self._paths.staging, mode=0o700, exist_ok=True)
            _write_durably(temporary, content)
            self.adopt(temporary, digest)
        except OSError as error:
            _drop(temporary)
            raise store_failure(path, error) from error
        return digest

    def adopt(self, path: str, digest: str) -> None:
        """Rename the file at ``path``, already verified and synced, into the store."""
        try:
            os.makedirs(self._paths.blobs, mode=0o700, exist_ok=True)
            os.rename(path, self._paths.blob(digests.check(digest)))
            sync_folder(self._paths.blobs)
        except OSError as error:
            raise store_failure(self._paths.blob(digest), error) from error

    def has(self, digest: str) -> bool:
        """Whether the blob is there."""
        return os.path.exists(self._paths.blob(digest))

    def read(self, digest: str) -> bytes:
        """The bytes of a small document; StoreFailure if missing or damaged."""
        path = self._paths.blob(digest)
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError as error:
            raise store_failure(path, error) from error
        if digests.sha256(content) != digest:
            raise StoreFailure(
                path,
                "the content does not match its digest: the disk or another program changed it",
                remedy="remove the image that uses it (tuidock rmi -f) and load or build it again",
            )
        return content

    def list(self) -> tuple[str, ...]:
        """The digests of all blobs."""
        try:
            names = os.listdir(self._paths.blobs)
        except FileNotFoundError:
            return ()
        return tuple(f"sha256:{name}" for name in sorted(names))


def sync_folder(path: str) -> None:
    """Make the names in ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_durably(path: str, content: bytes) -> None:
    with open(path, "xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _drop(path: str) -> None:
    with contextlib.suppress(OSError):  # the failure that led here is the one to tell; a sweep finds the rest
        os.unlink(path)
