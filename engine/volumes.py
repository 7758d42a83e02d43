"""Owns the verbs on volumes; refuses to mount them, and to fill them (a container's creation does)."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from engine.errors import Conflict, InvalidInput, NotFound
from engine.events import Event
from engine.oci.instant import to_rfc3339
from engine.records import Pruned, Volume
from engine.runtime.file_systems import check_driver, check_volume_options
from engine.runtime.mountpoints import anonymous_volume_name, check_volume_name, make_volume_folder
from engine.store.locks import staging, store_failure
from engine.store.volume_records import VolumeRecords

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from engine.options import CreateVolumeOptions, PruneOptions
    from engine.paths import Paths
    from engine.runtime.launcher import Launcher
    from engine.store.database import Database
    from engine.store.journal import Journal

_PRUNE_KEYS = frozenset({"label", "label!", "all"})


class Volumes:
    """The volumes of one root."""

    def __init__(
        self,
        paths: Paths,
        database: Database,
        launcher: Launcher,
        journal: Journal,
        settle: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._settle = settle
        self._paths = paths
        self._launcher = launcher
        self._journal = journal
        self._records = VolumeRecords(paths, database)

    async def list(self) -> tuple[Volume, ...]:
        """Every volume, by name."""
        return self._records.list()

    async def unused(self) -> frozenset[str]:
        """The names of the volumes that no container uses."""
        await self._settled()
        return frozenset(volume.name for volume in self._records.unused())

    async def get(self, name: str) -> Volume:
        """The volume; NotFound if there is none."""
        return self._records.get(name)

    async def inspect(self, name: str) -> dict[str, Any]:
        """The volume in the shape of Docker's API."""
        volume = self._records.get(name)
        return {
            "CreatedAt": to_rfc3339(volume.created),
            "Driver": "local",
            "Labels": volume.labels or None,
            "Mountpoint": volume.mountpoint,
            "Name": volume.name,
            "Options": volume.options or None,
            "Scope": "local",
        }

    async def create(self, options: CreateVolumeOptions) -> Volume:
        """Make a volume; one that has the name already is returned as it is, as Docker does."""
        name = check_volume_name(options.name) if options.name else anonymous_volume_name()
        check_driver(name, options.driver)
        check_volume_options(name, options.driver_options)
        wanted = Volume(
            name=name,
            mountpoint=self._paths.volume(name),
            created=time.time_ns(),
            labels=options.labels,
            anonymous=not options.name,
            options=options.driver_options,
        )
        volume = self._records.put(wanted)
        try:
            make_volume_folder(self._paths, name)
        except OSError as error:
            raise store_failure(volume.mountpoint, error) from error
        if volume.created == wanted.created:
            self._announce("create", name)
        return volume

    async def remove(self, name: str, force: bool = False) -> None:
        """Remove the volume and its data; Conflict while a container uses it."""
        await self._settled()
        await self._remove(name, force=force)

    async def prune(self, options: PruneOptions) -> Pruned:
        """Remove unused anonymous volumes; with ``all`` the named ones too."""
        for key in options.filters:
            if key not in _PRUNE_KEYS:
                raise InvalidInput(
                    "", f"invalid filter '{key}'", remedy="prune filters are all, label, label!"
                )
        every = (
            options.all or "true" in options.filters.get("all", ()) or "1" in options.filters.get("all", ())
        )
        await self._settled()
        removed, reclaimed = [], 0
        for volume in self._records.unused():
            if (volume.anonymous or every) and _fits(volume, options):
                try:
                    reclaimed += await self._remove(volume.name)
                except (Conflict, NotFound):
                    continue  # taken into use, or removed, meanwhile
                removed.append(volume.name)
        return Pruned(removed=tuple(removed), reclaimed=reclaimed)

    async def _settled(self) -> None:
        """Containers that ended by themselves (``--rm``) are gone, and hold nothing any more."""
        if self._settle is not None:
            await self._settle()

    async def _remove(self, name: str, *, force: bool = False) -> int:
        folder = os.path.dirname(self._paths.volume(name))
        with staging(self._paths) as trash:

            def take_away() -> None:
                with suppress(FileNotFoundError):  # recorded, but its folder was never made
                    os.rename(folder, f"{trash}/volume")

            if self._records.delete(name, take_away, force=force):
                self._announce("destroy", name)
            return int(await self._launcher.work("engine.layer.tree:remove", {"paths": [trash]}))

    def _announce(self, action: str, name: str) -> None:
        self._journal.append(
            Event(time=time.time_ns(), type="volume", action=action, id=name, attributes={"driver": "local"})
        )


def _fits(volume: Volume, options: PruneOptions) -> bool:
    def has(text: str) -> bool:
        key, equals, value = text.partition("=")
        return key in volume.labels and (not equals or volume.labels[key] == value)

    wanted = options.filters.get("label", ())
    refused = options.filters.get("label!", ())
    return all(map(has, wanted)) and not any(map(has, refused))
