"""Owns writing images as one tar archive, the same bytes for the same images; refuses to choose images.

Runs in a worker process. The docker form is what Docker 25 and later write (an OCI layout that also has
manifest.json), so that old and new readers of either kind take it.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from typing import Any, BinaryIO, cast

import msgspec

from engine.archive.layout import (
    DOCKER_MANIFEST_NAME,
    OCI_INDEX_NAME,
    OCI_LAYOUT,
    OCI_LAYOUT_NAME,
    DockerManifestEntry,
    blob_member,
)
from engine.layer.compression import NONE, compressed, decompressed
from engine.layer.diff import write_layer_tar
from engine.layer.sink import written
from engine.layer.tree import storage_errors
from engine.oci.digest import sha256
from engine.oci.manifest import (
    CONTAINERD_NAME,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    REFERENCE_NAME,
    Descriptor,
    Index,
    Manifest,
)
from engine.oci.reference import parse

_CHUNK = 1 << 20


def write_archive(arguments: dict[str, Any], fds: list[int]) -> None:
    """Write ``arguments["images"]`` to the descriptor ``fds[0]``.

    ``format`` is docker or oci, ``compression`` none, gzip or zstd (of the whole archive), ``staging`` a
    folder for layers on their way. An image is ``{"config": path, "manifest": path or None, "names":
    […], "layers": […]}``, a layer ``{"diff_id", "tree": folder}`` or ``{"diff_id", "blob": path,
    "digest", "media_type"}``. Raises StoreFailure.
    """
    with storage_errors("archive"), written(fds[0]) as out:
        plain = arguments["compression"] == NONE
        stream = out if plain else compressed(out, arguments["compression"])
        sizes: dict[str, Any] = {"bufsize": _CHUNK, "copybufsize": _CHUNK}  # typeshed knows the first alone
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, **sizes) as archive:
            writer = _ArchiveWriter(archive, arguments["staging"], docker=arguments["format"] == "docker")
            for image in arguments["images"]:
                writer.add_image(image)
            writer.finish()
        if not plain:
            stream.close()


class _ArchiveWriter:
    """One archive being written; a blob that several images share is written once."""

    def __init__(self, archive: tarfile.TarFile, staging: str, *, docker: bool) -> None:
        self._archive = archive
        self._staging = staging
        self._docker = docker
        self._written: dict[str, Descriptor] = {}
        self._entries: list[DockerManifestEntry] = []
        self._manifests: list[Descriptor] = []

    def add_image(self, image: dict[str, Any]) -> None:
        with open(image["config"], "rb") as file:
            config_bytes = file.read()
        config = self._add_document(config_bytes, OCI_CONFIG)
        layers = tuple(self._add_layer(layer) for layer in image["layers"])
        manifest_bytes = self._manifest(image, config, layers)
        manifest = self._add_document(manifest_bytes, OCI_MANIFEST)
        for name in _name_annotations(image["names"]) or ({},):
            self._manifests.append(msgspec.structs.replace(manifest, annotations=name))
        self._entries.append(
            DockerManifestEntry(
                config=blob_member(config.digest),
                repo_tags=tuple(parse(name).familiar for name in image["names"]) or None,
                layers=tuple(blob_member(layer.digest) for layer in layers),
            )
        )

    def finish(self) -> None:
        self._add_member(OCI_LAYOUT_NAME, OCI_LAYOUT)
        self._add_member(OCI_INDEX_NAME, msgspec.json.encode(Index(manifests=tuple(self._manifests))))
        if self._docker:
            self._add_member(DOCKER_MANIFEST_NAME, msgspec.json.encode(self._entries))

    def _manifest(self, image: dict[str, Any], config: Descriptor, layers: tuple[Descriptor, ...]) -> bytes:
        """Give the manifest as it was fetched if its very blobs were written, else one of ours."""
        if image.get("manifest"):
            with open(image["manifest"], "rb") as file:
                fetched = file.read()
            named = msgspec.json.decode(fetched, type=Manifest)
            if [layer.digest for layer in named.layers] == [layer.digest for layer in layers]:
                return fetched
        return msgspec.json.encode(Manifest(config=config, layers=layers))

    def _add_layer(self, layer: dict[str, Any]) -> Descriptor:
        blob = layer.get("blob")
        if blob and (not self._docker or layer["digest"] == layer["diff_id"]):
            return self._add_file(blob, layer["digest"], layer["media_type"])
        if layer["diff_id"] in self._written:
            return self._written[layer["diff_id"]]
        with tempfile.TemporaryFile(dir=self._staging) as plain:
            if blob:
                with open(blob, "rb") as raw:
                    _copy(decompressed(raw, blob), cast("BinaryIO", plain))
            else:
                write_layer_tar(layer["tree"], cast("BinaryIO", plain))
            return self._add_open(cast("BinaryIO", plain), layer["diff_id"], OCI_LAYER)

    def _add_file(self, path: str, digest: str, media_type: str) -> Descriptor:
        with open(path, "rb") as file:
            return self._add_open(file, digest, media_type)

    def _add_open(self, file: BinaryIO, digest: str, media_type: str) -> Descriptor:
        if digest not in self._written:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            self._archive.addfile(_member(blob_member(digest), size), file)
            self._written[digest] = Descriptor(media_type=media_type, digest=digest, size=size)
        return self._written[digest]

    def _add_document(self, content: bytes, media_type: str) -> Descriptor:
        digest = sha256(content)
        if digest not in self._written:
            self._add_member(blob_member(digest), content)
            self._written[digest] = Descriptor(media_type=media_type, digest=digest, size=len(content))
        return self._written[digest]

    def _add_member(self, name: str, content: bytes) -> None:
        self._archive.addfile(_member(name, len(content)), io.BytesIO(content))


def _name_annotations(names: list[str]) -> tuple[dict[str, str], ...]:
    """Name an image as containerd does: the full name, and the tag as the layout's reference."""
    return tuple({CONTAINERD_NAME: name, REFERENCE_NAME: parse(name).tag or name} for name in names)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member


def _copy(source: io.BufferedReader, target: BinaryIO) -> None:
    while chunk := source.read(_CHUNK):
        target.write(chunk)
