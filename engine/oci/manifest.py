"""Owns descriptors, image manifests and indexes as values; refuses I/O.

Source: OCI image-spec descriptor.md, manifest.md and image-index.md; Docker's schema 2 documents have
the same fields under other media types.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from engine.errors import InvalidInput
from engine.oci.platform import Platform

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
REFERENCE_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """A typed, sized pointer to a blob; ``size`` in bytes."""

    media_type: str = ""
    digest: str
    size: int
    annotations: dict[str, str] = {}
    platform: Platform | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One image: its config and its layers, bottom first."""

    schema_version: int = 2
    media_type: str = OCI_MANIFEST
    config: Descriptor
    layers: tuple[Descriptor, ...]


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Several manifests: of one image's platforms, or of an archive's images."""

    schema_version: int = 2
    media_type: str = OCI_INDEX
    manifests: tuple[Descriptor, ...]


def decode_manifest(content: bytes) -> Manifest:
    """The manifest in ``content``; InvalidInput if it is not one."""
    return _decode(content, Manifest, "image manifest")


def decode_index(content: bytes) -> Index:
    """The index (or Docker manifest list) in ``content``; InvalidInput if it is not one."""
    return _decode(content, Index, "image index")


def is_index(media_type: str) -> bool:
    """Whether a descriptor of ``media_type`` points to an index."""
    return media_type in {OCI_INDEX, DOCKER_INDEX}


_Document = TypeVar("_Document")


def _decode(content: bytes, kind: type[_Document], subject: str) -> _Document:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(subject, str(error)) from error
