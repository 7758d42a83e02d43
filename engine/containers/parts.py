"""Owns what all verbs on containers work with, and finding the container that a reference means.

Refuses verbs of its own.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from engine.events import Event
from engine.runtime.identity import event_attributes
from engine.store.container_records import ContainerRecords

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.paths import Paths
    from engine.records import Container
    from engine.runtime.attachment import Attachments
    from engine.runtime.launcher import Launcher
    from engine.store.database import Database
    from engine.store.image_records import ImageRecords
    from engine.store.journal import Journal
    from engine.store.volume_records import VolumeRecords


class Parts:
    """The collaborators of one engine's containers."""

    def __init__(
        self,
        paths: Paths,
        database: Database,
        launcher: Launcher,
        journal: Journal,
        networks: Callable[[], Attachments],
    ) -> None:
        self.paths = paths
        self.launcher = launcher
        self._networks = networks
        self.records = ContainerRecords(database)
        self.database = database
        self.journal = journal

    @property
    def networks(self) -> Attachments:
        """Imported, with all it needs, when it is first asked for."""
        return self._networks()

    @cached_property
    def images(self) -> ImageRecords:
        """As the networks."""
        from engine.store.image_records import ImageRecords

        return ImageRecords(self.paths, self.database)

    @cached_property
    def volumes(self) -> VolumeRecords:
        """As the networks."""
        from engine.store.volume_records import VolumeRecords

        return VolumeRecords(self.paths, self.database)

    def announce(self, action: str, container: Container, **attributes: str) -> None:
        """One event about the container."""
        self.journal.append(
            Event(
                time=time.time_ns(),
                type="container",
                action=action,
                id=container.id,
                attributes={**event_attributes(container), **attributes},
            )
        )

    def announce_volume(self, action: str, name: str) -> None:
        """One event about a volume."""
        self.journal.append(
            Event(time=time.time_ns(), type="volume", action=action, id=name, attributes={"driver": "local"})
        )
