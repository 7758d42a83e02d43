"""Owns bringing an image's blobs and its manifest to a registry; in workers.

What the registry has is not sent, what another repository of it has is mounted from there. A blob goes in
chunks; after a break the registry says how much it has. Source: OCI distribution-spec, "Pushing".
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
import urllib.parse
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import msgspec

from engine.errors import RegistryError
from engine.layer.compression import GZIP, ZSTD, compressed, compression_of, decompressed
from engine.layer.diff import write_layer_tar
from engine.layer.tree import raise_open_files, storage_errors
from engine.oci import digest as digests
from engine.oci.manifest import OCI_LAYER, Descriptor
from engine.registry import retry
from engine.registry.client import Client, Session
from engine.registry.connection import shown
from engine.shim.worker import report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.registry.connection import Response

_CHUNK = 32 << 20
"""Of one PATCH."""
_PIECE = 1 << 20
_SUFFIXES = {GZIP: "+gzip", ZSTD: "+zstd"}
_REPORT_SECONDS = 0.1
_LONGEST_MAGIC = 6
_EMPTY = {"Content-Length": "0"}
_BEGINNINGS = 4
_BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"
_EXPIRED = frozenset({"404", "410", "416", "BLOB_UPLOAD_UNKNOWN", "RANGE_INVALID", _BLOB_UPLOAD_INVALID})
"""What a registry says of an upload that it does not know, or that is not as long as we think."""
_MISPLACED = frozenset({"416", "RANGE_INVALID", _BLOB_UPLOAD_INVALID})
_CREATED = 201
_PUSH = "pull,push"


class LayerRequest(msgspec.Struct):
    """One layer: the ``blob`` as it came, or its ``tree``; ``mounts`` are repositories that may have it."""

    session: Session
    diff_id: str
    staging: str
    tree: str = ""
    blob: str = ""
    compression: str = GZIP
    mounts: tuple[str, ...] = ()


class ManifestRequest(msgspec.Struct):
    """The documents of an image, and the tag that it is to have."""

    session: Session
    config: str
    manifest: str
    media_type: str
    tag: str


def push_layer(arguments: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
    """Worker: ``{"session", "descriptor", "there"}``; ``there``: the registry had it already."""
    request = msgspec.convert(arguments, LayerRequest)
    raise_open_files()
    client = Client(request.session)
    try:
        with storage_errors(request.staging), _packed(request) as file:
            descriptor = _described(file)
            there = _send_blob(client, file, descriptor, request)
        return {
            "session": msgspec.to_builtins(client.session),
            "descriptor": msgspec.to_builtins(descriptor),
            "there": there,
        }
    finally:
        client.close()


def push_manifest(arguments: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
    """Worker: ``{"digest", "size"}`` of the manifest as the registry has it now."""
    request = msgspec.convert(arguments, ManifestRequest)
    client = Client(request.session)
    config, manifest = request.config.encode(), request.manifest.encode()
    try:
        with os.fdopen(os.memfd_create("config"), "w+b") as file:
            file.write(config)
            file.flush()
            descriptor = Descriptor(digest=digests.sha256(config), size=len(config))
            _send_blob(client, file, descriptor, None)
        headers = {"Content-Type": request.media_type}
        client.send("PUT", f"manifests/{request.tag}", headers, manifest, action=_PUSH).refusal()
        return {"digest": digests.sha256(manifest), "size": len(manifest)}
    finally:
        client.close()


def _packed(request: LayerRequest) -> BinaryIO:
    """The layer as it is sent: as it came if that is compressed, else made here, the same every time."""
    if request.blob:
        raw = open(request.blob, "rb")  # noqa: SIM115 - the caller closes it
        if compression_of(raw.read(_LONGEST_MAGIC)) in _SUFFIXES:
            return raw
        raw.seek(0)
    made = cast("BinaryIO", tempfile.TemporaryFile(dir=request.staging))  # noqa: SIM115 - as above
    stream = compressed(made, request.compression)
    if request.blob:
        with raw:
            plain = decompressed(raw, request.blob)
            while piece := plain.read(_PIECE):
                stream.write(piece)
    else:
        write_layer_tar(request.tree, stream)
    stream.close()
    return made


def _described(file: BinaryIO) -> Descriptor:
    file.seek(0)
    compression = compression_of(file.read(_LONGEST_MAGIC))
    file.seek(0)
    hasher = hashlib.sha256()
    while piece := file.read(_PIECE):
        hasher.update(piece)
    return Descriptor(
        media_type=OCI_LAYER + _SUFFIXES.get(compression, ""),
        digest=f"sha256:{hasher.hexdigest()}",
        size=file.tell(),
    )


def _send_blob(client: Client, file: BinaryIO, descriptor: Descriptor, request: LayerRequest | None) -> bool:
    """Bring the blob there unless it is; True if it was."""
    if _has(client, descriptor):
        return True
    place: str | None = ""
    for repository in request.mounts if request else ():
        place = _mounted(client, descriptor, repository)
        if place is None:
            return True
    for _ in range(_BEGINNINGS):
        try:
            _upload(client, place or _begun(client), file, descriptor, request)
        except RegistryError as error:
            if error.code not in _EXPIRED:
                raise
            place, expired = "", error
            if _has(client, descriptor):
                return False  # it had taken the last of it, only its answer was lost
        else:
            return False
    raise expired


def _upload(
    client: Client, place: str, file: BinaryIO, descriptor: Descriptor, request: LayerRequest | None
) -> None:
    place = _send_chunks(client, place, file, descriptor, request)
    joined = "&" if "?" in place else "?"
    closing = f"{place}{joined}{urllib.parse.urlencode({'digest': descriptor.digest})}"
    client.send("PUT", closing, _EMPTY, b"", action=_PUSH).refusal()


def _begun(client: Client) -> str:
    """Where a new upload goes."""
    response = client.send("POST", "blobs/uploads/", _EMPTY, b"", action=_PUSH)
    response.refusal()
    return _place(response)


def _mounted(client: Client, descriptor: Descriptor, repository: str) -> str | None:
    """None if the registry took the blob from ``repository``, else where it goes ("" if that is unknown)."""
    query = urllib.parse.urlencode({"mount": descriptor.digest, "from": repository})
    path = f"blobs/uploads/?{query}"
    try:
        response = client.send("POST", path, _EMPTY, b"", action=_PUSH, source=repository)
    except RegistryError as error:
        if error.temporary:
            raise
        return ""  # we may not read there: then it is sent
    response.refusal()
    return None if response.status == _CREATED else _place(response)


def _place(response: Response, otherwise: str = "") -> str:
    """The address of an upload, as the registry has told it last."""
    to = response.headers.get("Location") or otherwise
    try:
        if to:
            return urllib.parse.urljoin(response.url, to)
    except ValueError:
        pass
    reason = f"{shown(response.url)}: it does not say where the upload goes"
    raise RegistryError(reason, code="LOCATION", temporary=False)


def _has(client: Client, descriptor: Descriptor) -> bool:
    try:
        client.send("HEAD", f"blobs/{descriptor.digest}", action=_PUSH).close()
    except RegistryError as error:
        if error.code in {"404", "BLOB_UNKNOWN", "NAME_UNKNOWN"}:
            return False
        raise
    return True


def _send_chunks(
    client: Client, place: str, file: BinaryIO, descriptor: Descriptor, request: LayerRequest | None
) -> str:
    """Send all of it; the address where the upload is completed."""
    done, attempt, total = 0, 0, descriptor.size
    while done < total:
        size = min(_CHUNK, total - done)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        if size < total:  # some registries take no chunks: what is sent at once is none
            headers["Content-Range"] = f"{done}-{done + size - 1}"
        try:
            response = client.send("PATCH", place, headers, _Pieces(file, done, size), action=_PUSH)
            response.refusal()
            place, done, attempt = _place(response, place), done + size, 0
        except RegistryError as error:
            attempt += 1
            wait = retry.pause(attempt, retry_after=client.retry_after)
            if not (error.temporary or error.code in _MISPLACED) or wait is None:
                raise
            time.sleep(wait)
            place, done = _where(client, place)
            if done > total:
                raise RegistryError(str(error), code=_BLOB_UPLOAD_INVALID, temporary=False) from error
        if request is not None:
            told = {"layer": request.diff_id, "phase": "upload", "done": done, "total": total}
            report(told)
    return place


def _where(client: Client, place: str) -> tuple[str, int]:
    """(where it goes on, how many bytes the registry has) of an upload that broke off."""
    response = client.send("GET", place, action=_PUSH)
    response.refusal()
    last = response.headers.get("Range", "0-0").rpartition("-")[2].strip()
    done = int(last) + 1 if last.isdecimal() and int(last) else 0
    return _place(response, place), done


class _Pieces:
    """A part of a file as the body of a request, from its beginning each time that it is sent."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size = file, start, size

    def __iter__(self) -> Iterator[bytes]:
        left = self._size
        while left:
            piece = os.pread(self._file.fileno(), min(_PIECE, left), self._start + self._size - left)
            if not piece:
                return
            left -= len(piece)
            yield piece
