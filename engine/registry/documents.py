"""Owns finding an image in a registry, by tag or digest, for a platform: manifest and config; in workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from engine.errors import NotFound, RegistryError
from engine.oci import digest as digests
from engine.oci.manifest import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    decode_index,
    decode_manifest,
    is_index,
)
from engine.oci.platform import Platform
from engine.oci.reference import is_tag
from engine.registry.client import Client, Session
from engine.registry.connection import shown as shown_address

if TYPE_CHECKING:
    from engine.oci.manifest import Manifest
    from engine.registry.connection import Response

_Answer = TypeVar("_Answer")
_MISSING = frozenset({"MANIFEST_UNKNOWN", "404", "NAME_UNKNOWN"})
_ACCEPTED = f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_INDEX}, {DOCKER_MANIFEST}"
_LIMIT = 4 << 20
"""Of a manifest: what the distribution specification says that registries should take at least."""
_CONFIG_LIMIT = 16 << 20
_NESTED = 3
_ATTEMPTS = 3
"""At a document that is not what its digest says: a line may have changed it."""
_PAGES = 1000
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"
_CONFIGS = frozenset({"", OCI_CONFIG, DOCKER_CONFIG, "application/octet-stream"})
_LAYERS = (
    f"{OCI_LAYER}",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.",
)


class Request(msgspec.Struct):
    """What a worker is asked; ``wanted`` is a tag or a digest, ``platform`` as in ``engine.oci.platform``."""

    session: Session
    wanted: str
    platform: Platform | None = None
    shown: str = ""


def find_image(arguments: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
    """Worker: ``{"session", "digest", "manifest", "config", "layers"}`` of the image for a platform.

    ``digest`` is of the document that the tag names (what ``name@digest`` means); documents are text, byte
    for byte as they came (UTF-8), so that their digests stay.
    """
    request = msgspec.convert(arguments, Request)
    client = Client(request.session)
    try:
        if client.session.challenge is None:
            client.ping()
        top, content, media_type = document(client, request.wanted, request.shown)
        for _ in range(_NESTED):
            if not is_index(media_type):
                break
            chosen = _chosen(content, request)
            _, content, media_type = document(client, digests.check(chosen.digest), request.shown)
        manifest = _image_manifest(content, media_type, request.shown)
        config = read_config(client, manifest.config)
        return {
            "session": msgspec.to_builtins(client.session),
            "digest": top,
            "manifest": to_text(content, request.shown),
            "config": to_text(config, request.shown),
            "layers": msgspec.to_builtins(manifest.layers),
        }
    finally:
        client.close()


def list_tags(arguments: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
    """Worker: ``{"session", "tags"}``, every tag of the repository (distribution-spec, content discovery)."""
    client = Client(msgspec.convert(arguments["session"], Session))
    tags: list[str] = []
    path = "tags/list"
    try:
        if client.session.challenge is None:
            client.ping()
        for _ in range(_PAGES):
            response, content = client.document(path, limit=_LIMIT)
            found = _decoded(content, _Tags, response).tags or ()
            tags += filter(is_tag, found)
            path = _next(response.headers.get("Link", ""), response.url)
            if not path or not found:
                break
        return {"session": msgspec.to_builtins(client.session), "tags": list(dict.fromkeys(tags))}
    except RegistryError as error:
        if error.code not in _MISSING:
            raise
        repository = client.session.repository
        missing = NotFound("repository", repository, remedy="check the name")
        missing.message = f"repository {repository} not found: name unknown"
        raise missing from error
    finally:
        client.close()


class _Tags(msgspec.Struct):
    tags: tuple[str, ...] | None = None


def document(client: Client, wanted: str, shown: str) -> tuple[str, bytes, str]:
    """(digest, bytes, media type) of a manifest or an index, verified if ``wanted`` is a digest."""
    if ":" in wanted:
        digests.check(wanted)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            path = f"manifests/{wanted}"
            response, content = client.document(path, {"Accept": _ACCEPTED}, limit=_LIMIT)
        except RegistryError as error:
            if error.code in _MISSING:
                missing = NotFound("manifest", shown, remedy="check the name and the tag")
                missing.message = f"manifest for {shown} not found: manifest unknown"
                raise missing from error
            raise
        digest = digests.sha256(content)
        if ":" not in wanted or digest == wanted:
            return digest, content, _media_type(content, response)
        if attempt == _ATTEMPTS:
            break
    reason = f"{shown}: the manifest does not have the digest that was asked for"
    raise RegistryError(reason, code="DIGEST", temporary=False)


class _Typed(msgspec.Struct, rename="camel"):
    media_type: str = ""
    schema_version: int = 2
    manifests: Any = None


def _media_type(content: bytes, response: Response) -> str:
    """What the document says of itself wins over the header, which proxies have changed."""
    typed = _decoded(content, _Typed, response)
    told = response.headers.get_content_type()
    if typed.schema_version == 1 or told.startswith(_SCHEMA_1):
        return _SCHEMA_1
    if typed.media_type:
        return typed.media_type
    if typed.manifests is not None:
        return OCI_INDEX
    return told if told in {DOCKER_MANIFEST, DOCKER_INDEX} else OCI_MANIFEST


def _decoded(content: bytes, kind: type[_Answer], response: Response) -> _Answer:
    """The answer as ``kind``; RegistryError says what it is if it is none of a registry."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        told = response.headers.get_content_type()
        reason = f"{shown_address(response.url)}: no answer of a registry ({told}: {error})"
        remedy = "check that the host is a registry, and that no proxy or login page answers for it"
        raise RegistryError(reason, code="MANIFEST_INVALID", temporary=False, remedy=remedy) from error


def _image_manifest(content: bytes, media_type: str, shown: str) -> Manifest:
    """The manifest of an image; RegistryError says what else it is."""
    if media_type == _SCHEMA_1:
        reason, remedy = (
            "its manifest is of schema 1, which is not supported",
            "push it again with a newer tool",
        )
        raise RegistryError(f"{shown}: {reason}", code="UNSUPPORTED", temporary=False, remedy=remedy)
    if media_type not in {OCI_MANIFEST, DOCKER_MANIFEST}:
        nested = is_index(media_type)
        reason = "indexes in indexes in indexes" if nested else f"unsupported media type {media_type}"
        raise RegistryError(f"{shown}: {reason}", code="UNSUPPORTED", temporary=False)
    manifest = decode_manifest(content)
    kinds = [layer.media_type for layer in manifest.layers]
    other = [kind for kind in kinds if kind and (not kind.startswith(_LAYERS) or kind.endswith("+encrypted"))]
    if manifest.config.media_type not in _CONFIGS:
        other.insert(0, manifest.config.media_type)
    if other:
        reason = f"{shown}: it is no image of a container (unsupported media type {other[0]})"
        raise RegistryError(reason, code="UNSUPPORTED", temporary=False)
    for descriptor in (manifest.config, *manifest.layers):
        digests.check(descriptor.digest)
        if descriptor.size < 0:
            reason = f"{shown}: {descriptor.digest} has a size of {descriptor.size} bytes in the manifest"
            raise RegistryError(reason, code="MANIFEST_INVALID", temporary=False)
    return manifest


def to_text(content: bytes, shown: str) -> str:
    """A document as text; RegistryError if it is none, since its digest could not be kept."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        reason = f"{shown}: a document that is not UTF-8"
        raise RegistryError(reason, code="MANIFEST_INVALID", temporary=False) from error


def _chosen(content: bytes, request: Request) -> Descriptor:
    index = decode_index(content)
    wanted = request.platform
    fitting = [
        one for one in index.manifests if one.platform is None or wanted is None or wanted.runs(one.platform)
    ]
    if not fitting:
        there = ", ".join(
            str(one.platform) for one in index.manifests if one.platform and one.platform.os != "unknown"
        )
        missing = NotFound("manifest", request.shown, remedy=f"there is: {there}" if there else "")
        missing.message = f"no matching manifest for {wanted} in the manifest list entries"
        raise missing
    exact = (one for one in fitting if one.platform == wanted)
    return next(exact, next((one for one in fitting if one.platform is not None), fitting[0]))


def read_config(client: Client, descriptor: Descriptor) -> bytes:
    """The config of an image, verified; RegistryError if that is not to be had."""
    if descriptor.size > _CONFIG_LIMIT:
        reason = f"the image's config is to be {descriptor.size} bytes; {_CONFIG_LIMIT} are taken at most"
        raise RegistryError(reason, code="TOOLARGE", temporary=False)
    for _ in range(_ATTEMPTS):
        _, content = client.document(f"blobs/{digests.check(descriptor.digest)}", limit=_CONFIG_LIMIT)
        if digests.sha256(content) == descriptor.digest:
            return content
    raise RegistryError("the image's config does not have its digest", code="DIGEST", temporary=True)


def _next(link: str, url: str) -> str:
    from urllib.parse import urljoin

    target, _, rest = link.partition(">")
    follows = 'rel="next"' in rest.replace(" ", "") or "rel=next" in rest
    try:
        return urljoin(url, target.lstrip(" <")) if follows else ""
    except ValueError:
        return ""
