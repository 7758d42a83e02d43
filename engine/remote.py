"""Owns looking at what registries have without bringing it here: manifests, and images as inspect shows them.

Source: docker/cli, cli/manifest/types (ImageManifest) and command/manifest/inspect.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from engine.errors import NotFound
from engine.oci import digest as digests
from engine.oci import platform as platforms
from engine.oci import reference as references
from engine.oci.config import decode_config
from engine.oci.instant import from_rfc3339
from engine.oci.manifest import OCI_MANIFEST, decode_manifest
from engine.pulling import asked
from engine.records import Image
from engine.store.image_document import to_inspect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.oci.reference import Reference
    from engine.store.intake import Work


async def manifests(work: Work, name: str, *, verbose: bool, insecure: bool) -> Any:
    """What ``docker manifest inspect`` shows; with ``verbose`` of each image: a list if it is an index."""
    reference = references.parse(name).tagged
    request = {"wanted": reference.digest or reference.tag, "shown": reference.familiar, "members": verbose}
    call = "engine.registry.manifests:read_manifests"
    try:
        found = await asked(work, reference.domain, reference.path, call, request, insecure=insecure)
    except NotFound as error:
        error.message = f"no such manifest: {reference.familiar}"
        raise
    if not verbose:
        return msgspec.json.decode(found["top"]["content"])
    if not found["members"]:
        return _described(reference, found["top"])
    return [
        _described(msgspec.structs.replace(reference, digest=one["digest"]), one) for one in found["members"]
    ]


async def image(work: Work, name: str, platform: str | None) -> dict[str, Any]:
    """The image of a registry in the shape of ``image inspect``; its size is that of what is fetched."""
    reference = references.parse(name).tagged
    wanted = platforms.parse(platform) if platform else platforms.host()
    request = {
        "wanted": reference.digest or reference.tag,
        "platform": msgspec.to_builtins(wanted),
        "shown": reference.familiar,
    }
    call = "engine.registry.documents:find_image"
    found = await asked(work, reference.domain, reference.path, call, request)
    raw = found["config"].encode()
    config, manifest = decode_config(raw), decode_manifest(found["manifest"].encode())
    under = msgspec.structs.replace(reference, tag="", digest=found["digest"])
    described = Image(
        id=digests.sha256(raw),
        names=() if reference.digest else (reference.familiar,),
        created=from_rfc3339(config.created),
        size=sum(layer.size for layer in manifest.layers),
        config=config.config,
        architecture=config.architecture,
        os=config.os,
        chain_ids=(),
        digests=(under.familiar,),
    )
    document = to_inspect(described, config, (), 0)
    for of_a_store in ("GraphDriver", "Metadata"):
        del document[of_a_store]
    return {**document, "Manifest": msgspec.json.decode(found["manifest"])}


def _described(reference: Reference, found: Mapping[str, Any]) -> dict[str, Any]:
    """One entry of ``manifest inspect -v``."""
    import base64

    content = found["content"].encode()
    descriptor = {"mediaType": found["media_type"], "digest": found["digest"], "size": len(content)}
    if found["platform"]:
        descriptor["platform"] = found["platform"]
    kind = "OCIManifest" if found["media_type"] == OCI_MANIFEST else "SchemaV2Manifest"
    return {
        "Ref": reference.normalised,
        "Descriptor": descriptor,
        "Raw": base64.b64encode(content).decode(),
        kind: msgspec.json.decode(content),
    }
