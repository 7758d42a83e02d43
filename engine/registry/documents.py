"""Owns finding an image in a registry, by tag or digest, for a platform: manifest and config; in workers."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.errors import NotFound, RegistryError
from engine.oci import digest as digests
from engine.oci.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    decode_index,
    decode_manifest,
    is_index,
)
from engine.oci.platform import Platform
from engine.registry.client import Client, Session

_ACCEPTED = f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_INDEX}, {DOCKER_MANIFEST}"
_LIMIT = 4 << 20
"""Of a manifest: what the distribution specification says that registries should take at least."""
_CONFIG_LIMIT = 16 << 20
_NESTED = 3


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
        top, content, media_type = _document(client, request.wanted, request.shown)
        for _ in range(_NESTED):
            if not is_index(media_type):
                break
            chosen = _chosen(content, request)
            _, content, media_type = _document(client, chosen.digest, request.shown)
        manifest = decode_manifest(content)
        config = _blob(client, manifest.config)
        return {
            "session": msgspec.to_builtins(client.session),
            "digest": top,
            "manifest": content.decode(),
            "config": config.decode(),
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
        while path:
            response = client.send("GET", path)
            content = msgspec.json.decode(response.read(_LIMIT))
            tags += content.get("tags") or []
            path = _next(response.headers.get("Link", ""), response.url)
        return {"session": msgspec.to_builtins(client.session), "tags": tags}
    finally:
        client.close()


def _document(client: Client, wanted: str, shown: str) -> tuple[str, bytes, str]:
    """(digest, bytes, media type) of a manifest or an index, verified if ``wanted`` is a digest."""
    try:
        response = client.send("GET", f"manifests/{wanted}", {"Accept": _ACCEPTED})
    except RegistryError as error:
        if error.code in {"MANIFEST_UNKNOWN", "404", "NAME_UNKNOWN"}:
            missing = NotFound("manifest", shown, remedy="check the name and the tag")
            missing.message = f"manifest for {shown} not found: manifest unknown"
            raise missing from error
        raise
    content = response.read(_LIMIT)
    digest = digests.sha256(content)
    if wanted.startswith("sha256:") and digest != wanted:
        raise RegistryError(
            f"{shown}: the manifest does not have the digest that was asked for",
            code="DIGEST",
            temporary=False,
        )
    media_type = response.headers.get_content_type()
    return digest, content, _media_type(content, media_type)


def _media_type(content: bytes, told: str) -> str:
    """What the document says of itself wins over the header, which proxies have changed."""

    class Typed(msgspec.Struct, rename="camel"):
        media_type: str = ""
        manifests: Any = None

    try:
        typed = msgspec.json.decode(content, type=Typed)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RegistryError(f"no manifest: {error}", code="MANIFEST_INVALID", temporary=False) from error
    if typed.media_type:
        return typed.media_type
    return OCI_INDEX if typed.manifests is not None else told


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
    return fitting[0]


def _blob(client: Client, descriptor: Descriptor) -> bytes:
    content = client.send("GET", f"blobs/{digests.check(descriptor.digest)}").read(_CONFIG_LIMIT)
    if digests.sha256(content) != descriptor.digest:
        raise RegistryError("the image's config does not have its digest", code="DIGEST", temporary=True)
    return content


def _next(link: str, url: str) -> str:
    from urllib.parse import urljoin

    target, _, rest = link.partition(">")
    return (
        urljoin(url, target.lstrip(" <"))
        if 'rel="next"' in rest.replace(" ", "") or "rel=next" in rest
        else ""
    )
