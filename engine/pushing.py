"""Owns bringing images to registries: what is sent, in what order; refuses to speak HTTP itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from engine.errors import InvalidInput, NotFound
from engine.events import LayerProgress, Message
from engine.oci import reference as references
from engine.oci.manifest import OCI_CONFIG, OCI_MANIFEST, Descriptor, Manifest, decode_manifest
from engine.pulling import asked
from engine.store.intake import read_file, together

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.events import Progress
    from engine.oci.reference import Reference
    from engine.options import PushOptions
    from engine.store.image_records import ImageRecords
    from engine.store.intake import Work
    from engine.store.outgoing import Outgoing


class Pushed(NamedTuple):
    """One name that the registry has now: its manifest's digest and size in bytes."""

    name: str
    tag: str
    digest: str
    size: int


class Pushing:
    """Pushes out of one store; ``work`` is ``Launcher.work``."""

    def __init__(self, work: Work, outgoing: Outgoing, records: ImageRecords) -> None:
        self._work = work
        self._outgoing = outgoing
        self._records = records

    async def push(self, options: PushOptions, folder: str, progress: Progress) -> list[Pushed]:
        """Bring what ``options`` names there; ``folder`` is the caller's staging folder."""
        reference = references.parse(options.reference)
        if reference.digest:
            raise InvalidInput("", "cannot push a digest reference", remedy="give name:tag")
        if options.all_tags and reference.tag:
            raise InvalidInput("", "tag can't be used with --all-tags/-a")
        progress(Message(text=f"The push refers to repository [{reference.name}]"))
        return [
            await self._push(references.parse(name), image_id, options, folder, progress)
            for name, image_id in self._wanted(reference, all_tags=options.all_tags)
        ]

    def _wanted(self, reference: Reference, *, all_tags: bool) -> tuple[tuple[str, str], ...]:
        named = self._records.in_repository(reference.name)
        if not all_tags:
            tagged = reference.tagged.normalised
            named = tuple((name, image_id) for name, image_id in named if name == tagged)
        if not named:
            shown = reference.familiar if all_tags else reference.tagged.familiar
            missing = NotFound("image", shown, remedy="tuidock tag gives an image another name")
            missing.message = f"An image does not exist locally with the tag: {reference.familiar_name}"
            raise missing
        return named

    async def _push(
        self, reference: Reference, image_id: str, options: PushOptions, folder: str, progress: Progress
    ) -> Pushed:
        image = self._outgoing.image(image_id)
        answer = await asked(
            self._work, reference.domain, reference.path, "engine.registry.login:begin", {}, push=True
        )
        session = {"session": answer["session"]}
        requests = [
            {
                **session,
                "diff_id": layer["diff_id"],
                "staging": folder,
                "tree": layer.get("tree", ""),
                "blob": layer.get("blob", ""),
                "compression": options.compression,
                "mounts": self._elsewhere(reference, chain_id),
            }
            for layer, chain_id in zip(image["layers"], self._records.get(image_id).chain_ids, strict=True)
        ]
        for request in requests:
            progress(LayerProgress(layer=request["diff_id"], phase="waiting", done=0))
        sent = await together(self._sent(request, progress) for request in requests)
        config = read_file(image["config"])
        manifest, media_type = _manifest(image, config, tuple(map(_descriptor, sent)))
        documents = {"config": config.decode(), "manifest": manifest.decode(), "media_type": media_type}
        request = {**session, **documents, "tag": reference.tag}
        put = await self._work("engine.registry.upload:push_manifest", request)
        self._records.put_digest(msgspec.structs.replace(reference, tag="", digest=put["digest"]), image_id)
        return Pushed(reference.familiar, reference.tag, put["digest"], put["size"])

    async def _sent(self, request: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """The layer of ``request`` is in the registry afterwards."""

        def tell(told: Any) -> None:
            progress(msgspec.convert(told, LayerProgress))

        result: dict[str, Any] = await self._work("engine.registry.upload:push_layer", request, (), tell)
        size, phase = result["descriptor"]["size"], "exists" if result["there"] else "pushed"
        progress(LayerProgress(layer=request["diff_id"], phase=phase, done=size, total=size))
        return result

    def _elsewhere(self, reference: Reference, chain_id: str) -> list[str]:
        """Other repositories of the same registry that probably have the layer."""
        named = map(references.parse, self._records.names_with(chain_id))
        found = {one.path for one in named if one.domain == reference.domain and one.path != reference.path}
        return sorted(found)[:3]


def _descriptor(sent: Mapping[str, Any]) -> Descriptor:
    return msgspec.convert(sent["descriptor"], Descriptor)


def _manifest(image: Mapping[str, Any], config: bytes, layers: tuple[Descriptor, ...]) -> tuple[bytes, str]:
    """(the manifest, its media type): as it came if it names these very layers, else one of ours."""
    from engine.oci.digest import sha256

    if image["manifest"] and os.path.exists(image["manifest"]):
        fetched = read_file(image["manifest"])
        named = decode_manifest(fetched)
        if [layer.digest for layer in named.layers] == [layer.digest for layer in layers]:
            return fetched, named.media_type
    described = Descriptor(media_type=OCI_CONFIG, digest=sha256(config), size=len(config))
    return msgspec.json.encode(Manifest(config=described, layers=layers)), OCI_MANIFEST
