"""Owns the images that a build stands on or copies from: the store's, and those that are pulled for it.

Refuses to speak to registries itself: whoever makes builds hands over what pulls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.build.executor import Base
from engine.errors import NotFound, RegistryError
from engine.events import Message
from engine.oci import platform as platforms
from engine.oci.config import decode_config
from engine.oci.digest import chain_ids
from engine.oci.instant import from_rfc3339
from engine.options import PullOptions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from engine.events import Progress
    from engine.oci.config import ImageConfig
    from engine.store.image_records import ImageRecords

    Pull = Callable[[PullOptions, Progress], Awaitable[object]]


class Bases:
    """Images of one build by name; ``always``: what a registry has is newer than what is here."""

    def __init__(self, images: ImageRecords, pull: Pull, progress: Progress, *, always: bool) -> None:
        self._images = images
        self._pull = pull
        self._progress = progress
        self._always = always
        self._pulled: set[tuple[str, str | None]] = set()

    async def find(self, name: str, platform: str | None) -> tuple[Base, ImageConfig]:
        """The image, pulled if it is not here for the platform; one for another if there is no better.

        NotFound and RegistryError, as the pull raises them. Each is pulled once, however many stages stand
        on it.
        """
        here = None if self._always and (name, platform) not in self._pulled else self._find(name)
        if here is not None and (platform is None or to_platform(here[1]).runs(platforms.parse(platform))):
            return here
        if (name, platform) not in self._pulled:
            self._pulled.add((name, platform))
            try:
                await self._pull(PullOptions(reference=name, platform=platform), self._progress)
            except (NotFound, RegistryError) as error:
                if here is None:
                    raise
                self._progress(Message(text=str(error)))
            here = self._find(name)
        if here is None:
            raise NotFound("image", name)
        return here

    def _find(self, name: str) -> tuple[Base, ImageConfig] | None:
        try:
            image_id = self._images.resolve_id(name)
        except NotFound:
            return None
        config = decode_config(self._images.raw_config(image_id))
        diff_ids = config.rootfs.diff_ids
        base = Base(
            name=name,
            chain_ids=chain_ids(diff_ids),
            diff_ids=diff_ids,
            created=from_rfc3339(config.created),
            architecture=config.architecture,
        )
        return base, config


def to_platform(config: ImageConfig) -> platforms.Platform:
    """What the image of ``config`` runs on."""
    return platforms.Platform(config.os, config.architecture, config.variant)
