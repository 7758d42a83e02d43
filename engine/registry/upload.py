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
from engine.shim.worker import report

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 32 << 20
"""Of one PATCH."""
_PIECE = 1 << 20
_SUFFIXES = {GZIP: "+gzip", ZSTD: "+zstd"}
_REPORT_SECONDS = 0.1
_LONGEST_MAGIC = 6
_ANSWER_LIMIT = 1 << 20
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
        with tempfile.TemporaryFile() as file:
            file.write(config)
            file.flush()
            descriptor = Descriptor(digest=digests.sha256(config), size=len(config))
            _send_blob(client, cast("BinaryIO", file), descriptor, None)
        response = client.send(
            "PUT", f"manifests/{request.tag}", {"Content-Type": request.media_type}, manifest, action=_PUSH
        )
        response.read(_ANSWER_LIMIT)
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
    for repository in request.mounts if request else ():
        query = urllib.parse.urlencode({"mount": descriptor.digest, "from": repository})
        response = client.send("POST", f"blobs/uploads/?{query}", {"Content-Length": "0"}, b"", action=_PUSH)
        response.read(_ANSWER_LIMIT)
        if response.status == _CREATED:
            return True
    response = client.send("POST", "blobs/uploads/", {"Content-Length": "0"}, b"", action=_PUSH)
    response.read(_ANSWER_LIMIT)
    place = urllib.parse.urljoin(response.url, response.headers.get("Location", ""))
    place = _send_chunks(client, place, file, descriptor, request)
    joined = "&" if "?" in place else "?"
    last = client.send(
        "PUT",
        f"{place}{joined}{urllib.parse.urlencode({'digest': descriptor.digest})}",
        {"Content-Length": "0"},
        b"",
        action=_PUSH,
    )
    last.read(_ANSWER_LIMIT)
    return False


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
    done, attempt = 0, 0
    while done < descriptor.size:
        size = min(_CHUNK, descriptor.size - done)
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
            "Content-Range": f"{done}-{done + size - 1}",
        }
        try:
            response = client.send("PATCH", place, headers, _pieces(file, done, size), action=_PUSH)
            response.read(_ANSWER_LIMIT)
            place = urllib.parse.urljoin(place, response.headers.get("Location", place))
            done, attempt = done + size, 0
        except RegistryError as error:
            attempt += 1
            wait = retry.pause(attempt)
            if not error.temporary or wait is None:
                raise
            time.sleep(wait)
            place, done = _where(client, place)
        if request is not None:
            told = {"layer": request.diff_id, "phase": "upload", "done": done, "total": descriptor.size}
            report(told)
    return place


def _where(client: Client, place: str) -> tuple[str, int]:
    """(where it goes on, how many bytes the registry has) of an upload that broke off."""
    response = client.send("GET", place, action=_PUSH)
    response.read(_ANSWER_LIMIT)
    _, _, last = response.headers.get("Range", "0-0").partition("-")
    done = int(last) + 1 if last.isdigit() and int(last) else 0
    return urllib.parse.urljoin(place, response.headers.get("Location", place)), done


def _pieces(file: BinaryIO, start: int, size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = os.pread(file.fileno(), min(_PIECE, left), start + size - left)
        if not piece:
            return
        left -= len(piece)
        yield piece
