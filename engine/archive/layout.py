"""Owns what an image archive's members mean, docker-archive or OCI layout; refuses to touch tars.

Sources: moby image/spec/v1.2 (manifest.json), OCI image-spec image-layout.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from engine.errors import InvalidArchive, InvalidInput, InvalidReference
from engine.oci import platform, reference
from engine.oci.manifest import (
    CONTAINERD_NAME,
    REFERENCE_NAME,
    Descriptor,
    decode_index,
    decode_manifest,
    is_index,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCKER_MANIFEST_NAME = "manifest.json"
OCI_INDEX_NAME = "index.json"
OCI_LAYOUT_NAME = "oci-layout"
OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


class DockerManifestEntry(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """One image in docker-archive's manifest.json; paths are member names."""

    config: str
    repo_tags: tuple[str, ...] | None = None
    layers: tuple[str, ...] | None = None


class ArchivedLayer(msgspec.Struct, frozen=True, kw_only=True):
    """A layer's member; ``digest`` of its raw bytes where the archive names it."""

    member: str
    media_type: str = ""
    digest: str = ""


class ArchivedImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image's members; ``names`` are normalised references."""

    config: str
    layers: tuple[ArchivedLayer, ...]
    names: tuple[str, ...] = ()
    manifest: str = ""


def blob_member(digest: str) -> str:
    """The member that holds the blob ``digest`` in an OCI layout."""
    return f"blobs/{digest.replace(':', '/', 1)}"


def images_in(members: frozenset[str], read: Callable[[str], bytes]) -> tuple[ArchivedImage, ...]:
    """All images that an archive with ``members`` holds; ``read`` gives a member's bytes.

    Docker's manifest.json wins where both layouts are present, as in ``docker load``.
    """
    if DOCKER_MANIFEST_NAME in members:
        found = tuple(_docker_images(read(DOCKER_MANIFEST_NAME)))
    elif OCI_INDEX_NAME in members:
        found = tuple(_oci_images(read(OCI_INDEX_NAME), read))
    else:
        raise InvalidArchive(
            "archive",
            "holds neither manifest.json nor index.json",
            remedy="image archives come from `save`; a root file system is read by `tuidock import`",
        )
    if not found:
        raise InvalidArchive("archive", "names no image")
    for image in found:
        for member in (image.config, *(layer.member for layer in image.layers)):
            if member not in members:
                raise InvalidArchive("archive", f"{member} is named but missing")
    return found


def _docker_images(content: bytes) -> Iterator[ArchivedImage]:
    try:
        entries = msgspec.json.decode(content, type=tuple[DockerManifestEntry, ...])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArchive(DOCKER_MANIFEST_NAME, str(error)) from error
    for entry in entries:
        yield ArchivedImage(
            config=entry.config,
            layers=tuple(ArchivedLayer(member=member) for member in entry.layers or ()),
            names=tuple(_normalised(name) for name in entry.repo_tags or ()),
        )


def _oci_images(content: bytes, read: Callable[[str], bytes]) -> Iterator[ArchivedImage]:
    for descriptor in decode_index(content).manifests:
        names = _annotated_names(descriptor)
        chosen = _for_this_platform(descriptor, read)
        manifest = decode_manifest(read(blob_member(chosen.digest)))
        yield ArchivedImage(
            config=blob_member(manifest.config.digest),
            layers=tuple(
                ArchivedLayer(
                    member=blob_member(layer.digest), media_type=layer.media_type, digest=layer.digest
                )
                for layer in manifest.layers
            ),
            names=names,
            manifest=blob_member(chosen.digest),
        )


def _for_this_platform(descriptor: Descriptor, read: Callable[[str], bytes]) -> Descriptor:
    """Follow indexes down to the manifest for this machine."""
    while is_index(descriptor.media_type):
        wanted = platform.host()
        inner = decode_index(read(blob_member(descriptor.digest))).manifests
        matching = [entry for entry in inner if entry.platform is None or wanted.runs(entry.platform)]
        if not matching:
            offered = ", ".join(sorted(str(entry.platform) for entry in inner)) or "none"
            raise InvalidInput("archive", f"has no image for {wanted} (it has: {offered})")
        descriptor = matching[0]
    return descriptor


def _annotated_names(descriptor: Descriptor) -> tuple[str, ...]:
    """The image's name, if the annotation is one: a lone tag (``latest``) names no repository."""
    annotated = descriptor.annotations.get(CONTAINERD_NAME) or descriptor.annotations.get(REFERENCE_NAME, "")
    if ":" not in annotated and "/" not in annotated:
        return ()
    return (_normalised(annotated),)


def _normalised(name: str) -> str:
    try:
        return reference.parse(name).tagged.normalised
    except InvalidReference as error:
        raise InvalidArchive("archive", str(error)) from error
