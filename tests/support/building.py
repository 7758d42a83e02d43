"""Owns a builder for tests: images and builds on a root of their own, and readers of what came out."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.builds import Builds
from engine.images import Images
from engine.networks import Networks
from engine.options import BootstrapOptions, BuildOptions
from engine.runtime.launcher import Launcher
from engine.store.database import Database
from engine.store.journal import Journal
from tests.support.leftovers import leftovers, remove_bridges

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engine.paths import Paths
    from engine.records import Image

CORPORA = Path(__file__).resolve().parents[2] / ".." / "shared" / "corpora"
"""Test data beside the checkout; tests that need it skip loudly where it is absent."""
_KINDS = {tarfile.REGTYPE: "file", tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink"}


class Builder:
    """Everything that a build test needs, without the rest of the engine."""

    def __init__(self, paths: Paths) -> None:
        os.makedirs(paths.root, exist_ok=True)
        os.makedirs(paths.run, exist_ok=True)
        self.paths = paths
        self.database = Database(paths.database)
        self.launcher = Launcher.open()
        journal = Journal(paths.events)
        self.images = Images(paths, self.database, self.launcher, journal)
        self.networks = Networks(paths, self.database, journal)
        self.builds = Builds(
            paths, self.database, self.launcher, journal, lambda: self.networks, self.images.pull
        )
        self.facts: list[Any] = []

    async def build(self, text: str, folder: object = None, **options: Any) -> Image:
        """Build the Dockerfile ``text`` with the context ``folder`` (None: empty); facts are kept."""
        self.facts = []
        settings = {"network": "none", "dockerfile_text": text} | options
        context = None if folder is None else str(folder)
        result = await self.builds.build(BuildOptions(context=context, **settings), self.facts.append)
        return await self.images.get(result.image_id)

    def cached(self) -> list[bool]:
        """Of the last build's steps after FROM: whether each was found in the cache."""
        from engine.events import StepFinished

        finished = [fact for fact in self.facts if isinstance(fact, StepFinished)]
        return [fact.cached for fact in finished if fact.layer]

    def output(self) -> str:
        """What the last build's steps wrote."""
        from engine.events import StepOutput

        return b"".join(fact.content for fact in self.facts if isinstance(fact, StepOutput)).decode()

    async def files(self, image: Image) -> dict[str, dict[str, Any]]:
        """The image's root file system: path → type, mode, owner, size, sha256, link, mtime."""
        if not image.chain_ids:
            return {}
        trees = [self.paths.layer(chain_id) for chain_id in reversed(image.chain_ids)]
        with tempfile.TemporaryFile() as file:
            await self.launcher.work("engine.layer.merged:export", {"trees": trees}, fds=(file.fileno(),))
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                return {f"/{member.name}": _row(archive, member) for member in archive if member.name != "."}


@asynccontextmanager
async def open_builder(paths: Paths) -> AsyncIterator[Builder]:
    """A builder whose store has busybox."""
    builder = Builder(paths)
    try:
        await builder.images.bootstrap(BootstrapOptions(name="busybox"), lambda _fact: None)
        yield builder
    finally:
        assert os.listdir(paths.staging) == [], "a build left something in staging"
        remove_bridges([network.bridge for network in await builder.networks.list() if network.bridge])
        assert leftovers(paths) == []
        builder.launcher.close()
        builder.database.close()


def _row(archive: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
    row: dict[str, Any] = {
        "type": "hardlink" if member.islnk() else _KINDS.get(member.type, "other"),
        "mode": f"0o{member.mode:o}",
        "uid": member.uid,
        "gid": member.gid,
        "mtime": int(member.mtime),
    }
    if member.isreg():
        content = archive.extractfile(member)
        assert content is not None
        row |= {"size": member.size, "sha256": hashlib.sha256(content.read()).hexdigest()}
    if member.issym() or member.islnk():
        row["link"] = member.linkname
    return row
