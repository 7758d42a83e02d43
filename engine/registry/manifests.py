"""Owns reading what a registry has under a name, as it is: manifests and indexes; in workers."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.oci import digest as digests
from engine.oci.config import decode_config
from engine.oci.manifest import DOCKER_MANIFEST, OCI_MANIFEST, decode_index, decode_manifest, is_index
from engine.oci.platform import Platform
from engine.registry.client import Client, Session
from engine.registry.documents import document, read_config, to_text

_IMAGES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})


class Request(msgspec.Struct):
    """What a worker is asked; ``wanted`` is a tag or a digest; ``members``: what an index names, too."""

    session: Session
    wanted: str
    shown: str
    members: bool = False


class Document(msgspec.Struct):
    """One document: ``content`` is text, byte for byte as it came."""

    digest: str
    media_type: str
    content: str
    platform: Platform | None = None


def read_manifests(arguments: dict[str, Any], _fds: list[int]) -> dict[str, Any]:
    """Worker: ``{"session", "top", "members"}``: a ``Document``, and with ``members`` those that it names.

    The platform of an image without an index is what its config says.
    """
    request = msgspec.convert(arguments, Request)
    client = Client(request.session)
    try:
        if client.session.challenge is None:
            client.ping()
        top = _read(client, request.wanted, request.shown)
        members = []
        if request.members and is_index(top.media_type):
            for one in decode_index(top.content.encode()).manifests:
                member = _read(client, digests.check(one.digest), request.shown)
                members.append(msgspec.structs.replace(member, platform=one.platform))
        elif request.members and top.media_type in _IMAGES:
            raw = read_config(client, decode_manifest(top.content.encode()).config)
            config = decode_config(raw)
            top.platform = Platform(config.os, config.architecture, config.variant)
        return {
            "session": msgspec.to_builtins(client.session),
            "top": msgspec.to_builtins(top),
            "members": msgspec.to_builtins(members),
        }
    finally:
        client.close()


def _read(client: Client, wanted: str, shown: str) -> Document:
    digest, content, media_type = document(client, wanted, shown)
    return Document(digest, media_type, to_text(content, shown))
