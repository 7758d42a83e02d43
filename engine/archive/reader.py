"""Owns reading an image archive into a staging folder; refuses to trust names or digests in it.

Runs in a worker process: members are written under numbers of our own, so no name in the archive
ever becomes a path on disk, and every blob is hashed on its way.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from engine.archive.layout import ArchivedImage, images_in
from engine.errors import EngineError, InvalidArchive
from engine.layer.compression import decompressed
from engine.layer.tree import storage_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK = 1 << 20
_BLOB = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?\Z")
_DOCUMENT_LIMIT = 16 << 20


def read_archive(arguments: dict[str, Any], fds: list[int]) -> dict[str, Any]:
    """Read the archive at ``path`` (or descriptor ``fds[0]``) into the folder ``staging``.

    Returns ``{"images": [{"config", "manifest", "names", "layers": [{"path", "media_type", "digest"}]}]}``
    with absolute paths of staged files; raises InvalidArchive and StoreFailure.
    """
    path = arguments["path"]
    subject = path or "standard input"
    staged = _StagedMembers(arguments["staging"], subject)
    try:
        raw = open(path or fds[0], "rb", closefd=path is not None)  # noqa: SIM115 - closed below
    except OSError as error:
        raise InvalidArchive(subject, (error.strerror or "cannot be read").lower()) from error
    with raw, storage_errors(arguments["staging"]):
        staged.take_all(raw)
    try:
        images = images_in(frozenset(staged.paths), staged.read)
    except InvalidArchive as error:
        raise InvalidArchive(subject, error.reason, remedy=error.remedy) from error
    return {"images": [_located(image, staged.paths) for image in images]}


class _StagedMembers:
    """Members of one archive, by name, as files of ours in ``staging``."""

    def __init__(self, staging: str, subject: str) -> None:
        self._staging = staging
        self._subject = subject
        self.paths: dict[str, str] = {}

    def take_all(self, raw: BinaryIO) -> None:
        links: dict[str, str] = {}
        plain = decompressed(raw, self._subject)
        try:
            with tarfile.open(fileobj=plain, mode="r|", bufsize=_CHUNK) as archive:
                for member in archive:
                    name = os.path.normpath(member.name)
                    if member.isreg():
                        self._take(name, archive, member)
                    elif member.issym():
                        links[name] = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
                    elif member.islnk():
                        links[name] = os.path.normpath(member.linkname)
        except EngineError:
            raise
        except (tarfile.TarError, EOFError, UnicodeError) as error:
            reason = f"not a tar archive, or cut short ({error})"
            raise InvalidArchive(self._subject, reason) from error
        # Docker before 25 wrote a layer that occurs twice as a link to the first.
        self.paths |= {name: self.paths[target] for name, target in links.items() if target in self.paths}

    def read(self, member: str) -> bytes:
        path = self.paths.get(member)
        if path is None:
            raise InvalidArchive(self._subject, f"{member} is named but missing")
        if os.path.getsize(path) > _DOCUMENT_LIMIT:
            raise InvalidArchive(self._subject, f"{member} is larger than {_DOCUMENT_LIMIT >> 20} MiB")
        with open(path, "rb") as document:
            return document.read()

    def _take(self, name: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        content = archive.extractfile(member)
        if content is None:  # only for non-regular members, which are not asked for
            return
        path = f"{self._staging}/{len(self.paths)}"
        hasher = hashlib.sha256()
        named = _BLOB.match(name)
        with open(path, "wb", buffering=0) as out:
            while chunk := content.read(_CHUNK):
                if named:  # else nobody asks for it
                    hasher.update(chunk)
                out.write(chunk)
        if named and named[1] != hasher.hexdigest():
            raise InvalidArchive(self._subject, f"{name} does not have the digest that its name says")
        self.paths[name] = path


def _located(image: ArchivedImage, paths: Mapping[str, str]) -> dict[str, Any]:
    layers = [
        {"path": paths[layer.member], "media_type": layer.media_type, "digest": layer.digest}
        for layer in image.layers
    ]
    located: dict[str, Any] = msgspec.to_builtins(image)
    manifest = paths[image.manifest] if image.manifest else None
    return located | {
        "config": paths[image.config],
        "manifest": manifest,
        "layers": layers,
        "names": list(image.names),
    }
