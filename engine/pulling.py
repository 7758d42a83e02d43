"""Owns bringing images from registries: which hosts are asked, what is missing, in what order it comes in.

Refuses to speak HTTP itself: workers do (``engine.registry``). What was fetched of a layer outlives whoever
fetched it, so that the next pull goes on.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from engine import loop
from engine.errors import EngineError, InvalidInput, NotFound, RegistryError
from engine.events import LayerProgress, Message, ignore_progress
from engine.oci import digest as digests
from engine.oci import platform as platforms
from engine.oci import reference as references
from engine.registry import credentials, settings
from engine.registry.client import Session
from engine.store.intake import Layers

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from engine.events import Progress
    from engine.oci.reference import Reference
    from engine.options import PullOptions
    from engine.paths import Paths
    from engine.registry.credentials import Credentials
    from engine.store.image_records import ImageRecords
    from engine.store.intake import Intake, Work

_OTHER_SCHEME = frozenset({"TLS", "UNREACHABLE", "BROKEN", "CERTIFICATE", "TIMEOUT", "PROXY"})
"""What a host says that does not speak the scheme it was asked in."""
_DENIALS = frozenset({"DENIED", "UNAUTHORIZED"})
"""What a registry says of a repository that is not there, or not for who asks: it does not say which."""
_PASSED = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "HOME")


class Pulled(NamedTuple):
    """One image that came: its id, its name as people write it, the digest that the registry has it under.

    ``newer``: until now the name meant another image, or none.
    """

    image_id: str
    name: str
    digest: str
    newer: bool


class Pulling:
    """Pulls into one store; ``work`` is ``Launcher.work``."""

    def __init__(self, paths: Paths, work: Work, intake: Intake, records: ImageRecords) -> None:
        self._paths = paths
        self._work = work
        self._intake = intake
        self._records = records

    async def pull(self, options: PullOptions, folder: str, progress: Progress) -> list[Pulled]:
        """Bring what ``options`` names; ``folder`` is the caller's staging folder."""
        reference = references.parse(options.reference)
        if options.all_tags and (reference.tag or reference.digest):
            raise InvalidInput("", "tag can't be used with --all-tags/-a")
        wanted = platforms.parse(options.platform) if options.platform else platforms.host()
        if not options.all_tags:
            reference = reference.tagged
            session, found = await self._found(reference, wanted, progress)
            return [await self._take(reference, session, found, f"{folder}/0", progress)]
        tags = await self._tags(reference, progress)
        pulled = []
        for number, tag in enumerate(tags):
            one = msgspec.structs.replace(reference, tag=tag)
            session, found = await self._found(one, wanted, progress)
            pulled.append(await self._take(one, session, found, f"{folder}/{number}", progress))
        return pulled

    async def _tags(self, reference: Reference, progress: Progress) -> list[str]:
        answer = await self._asked(reference, "list_tags", {}, progress)
        return sorted(answer["tags"])

    async def _found(
        self, reference: Reference, platform: platforms.Platform, progress: Progress
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """(session, the answer of ``find_image``)."""
        request = {
            "wanted": reference.digest or reference.tag,
            "platform": msgspec.to_builtins(platform),
            "shown": reference.familiar,
        }
        what = reference.familiar if reference.digest else reference.tag  # as Docker says it
        progress(Message(text=f"{what}: Pulling from {reference.path}"))
        answer = await self._asked(reference, "find_image", request, progress)
        return answer["session"], answer

    async def _asked(
        self, reference: Reference, call: str, request: Mapping[str, object], progress: Progress
    ) -> dict[str, Any]:
        call = f"engine.registry.documents:{call}"
        try:
            return await asked(self._work, reference.domain, reference.path, call, request, progress=progress)
        except RegistryError as error:
            if error.code not in _DENIALS:
                raise
            reason = "repository does not exist or may require 'tuidock login'"
            raise RegistryError(
                f"pull access denied for {reference.familiar_name}, {reason}: {error}",
                code=error.code,
                temporary=False,
                remedy=error.remedy,
            ) from error

    async def _take(
        self,
        reference: Reference,
        session: dict[str, Any],
        found: dict[str, Any],
        folder: str,
        progress: Progress,
    ) -> Pulled:
        descriptors = found["layers"]
        before, config = self._meant(reference), found["config"].encode()
        if before != digests.sha256(config):
            here = self._intake.here(config)
            # told for all before the first sets out, so that they are known in the manifest's order
            for number, descriptor in enumerate(descriptors):
                phase = "present" if number < here else "waiting"
                progress(LayerProgress(layer=descriptor["digest"], phase=phase, done=0))

        def fetched(number: int, diff_id: str, tree: str) -> Coroutine[Any, Any, dict[str, Any]]:
            return self._fetched(session, descriptors[number], diff_id, tree, progress)

        image_id = await self._intake.take(
            config,
            found["manifest"].encode(),
            () if reference.digest else (reference.familiar,),
            Layers([int(descriptor["size"]) for descriptor in descriptors], fetched),
            folder,
            msgspec.structs.replace(reference, tag="", digest=found["digest"]),
        )
        return Pulled(image_id, reference.familiar, found["digest"], newer=image_id != before)

    async def _fetched(
        self,
        session: dict[str, Any],
        descriptor: dict[str, Any],
        diff_id: str,
        tree: str,
        progress: Progress,
    ) -> dict[str, Any]:
        """The layer of ``descriptor``, unpacked in ``tree``; for ``Layers.unpack``."""
        arguments = {
            "session": session,
            "descriptor": descriptor,
            "diff_id": diff_id,
            "part": self._paths.download(descriptor["digest"]),
            "blob": self._paths.blob(descriptor["digest"]),
            "target": tree,
        }
        result = await self._work(
            "engine.registry.download:fetch_layer",
            arguments,
            (),
            lambda told: progress(msgspec.convert(told, LayerProgress)),
        )
        size = int(descriptor["size"])
        progress(LayerProgress(layer=descriptor["digest"], phase="pulled", done=size, total=size))
        return {**result, "tree": tree, "path": None}

    def _meant(self, reference: Reference) -> str | None:
        """The id of the image that the name means now."""
        try:
            return self._records.resolve_id(reference.normalised)
        except NotFound:
            return None


async def asked(  # noqa: PLR0913 - whom, what, as whom, and who hears of it
    work: Work,
    domain: str,
    repository: str,
    call: str,
    request: Mapping[str, object],
    *,
    known: Credentials | None = None,
    progress: Progress = ignore_progress,
    push: bool = False,
    insecure: bool = False,
) -> dict[str, Any]:
    """What the first host that has an answer says to ``call``: mirrors, then the registry itself.

    Each is asked over TLS, and without where that is allowed: by the settings, or ``insecure``. ``known`` is
    who asks, else what is kept.
    """
    environ = os.environ
    told = settings.read_settings(environ)
    if insecure:
        told = settings.with_insecure(told, domain)
    for endpoint in settings.endpoints(domain, told, push=push or not repository):
        # A mirror is told its own secrets, never those of the registry that it stands for.
        host = endpoint.host if endpoint.mirror else domain
        who = known if known and not endpoint.mirror else await _credentials(host, repository, environ)
        for scheme in endpoint.schemes:
            session = Session(
                base=f"{scheme}://{endpoint.host}",
                repository=repository,
                insecure=endpoint.insecure,
                credentials=who,
                environ=_passed(environ),
            )
            try:
                answer: dict[str, Any] = await work(
                    call, {**request, "session": msgspec.to_builtins(session)}
                )
            except (RegistryError, NotFound) as error:
                if not _goes_on(error, endpoint, scheme):
                    raise
                if endpoint.mirror:
                    progress(Message(text=f"mirror {endpoint.host}: {error}; asking the next"))
            else:
                return answer
    raise RegistryError(f"{domain}: no host to ask", code="ENDPOINTS", temporary=False)


def _passed(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the environment says how to reach a registry."""
    return {key: value for key, value in environ.items() if key in _PASSED or key.lower() in _PASSED}


def _goes_on(error: EngineError, endpoint: settings.Endpoint, scheme: str) -> bool:
    """Whether the next scheme or host is asked after ``error``."""
    if endpoint.mirror:
        return True
    spoken = isinstance(error, RegistryError) and error.code in _OTHER_SCHEME
    return spoken and scheme != endpoint.schemes[-1]


async def _credentials(host: str, repository: str, environ: Mapping[str, str]) -> Credentials:
    """What is kept of ``host``; a credential helper may take its time, in which others go on."""
    await loop.begin()
    import asyncio

    return await asyncio.to_thread(credentials.find, host, repository, dict(environ))
