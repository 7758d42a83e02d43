"""Owns what the records say of the space that layers take, and who holds them; refuses to walk any tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.paths import Paths
    from engine.store.database import Database


class LayerUsage:
    """The layers of one store at one instant: what each takes, and which stand on which."""

    def __init__(self, paths: Paths, database: Database) -> None:
        self._paths = paths
        rows = database.query("SELECT chain_id, parent, size, blob FROM layer")
        self._parents = {str(row[0]): None if row[1] is None else str(row[1]) for row in rows}
        self._sizes = {str(row[0]): int(str(row[2])) for row in rows}
        self._blobs = {str(row[0]): str(row[3]) for row in rows if row[3] is not None}
        self.image_layers: dict[str, set[str]] = {}
        for image_id, chain_id in database.query("SELECT image_id, chain_id FROM image_layer"):
            self.image_layers.setdefault(str(image_id), set()).add(str(chain_id))
        held = database.query("SELECT chain_id FROM container WHERE chain_id IS NOT NULL")
        self.of_containers = self.below(str(row[0]) for row in held)
        cached = database.query("SELECT chain_id FROM build_cache")
        self.of_cache = self.below(str(row[0]) for row in cached)

    @property
    def of_images(self) -> set[str]:
        """Every layer that an image has, or a container stands on."""
        return set().union(*self.image_layers.values(), self.of_containers)

    def below(self, chain_ids: Iterable[str]) -> set[str]:
        """These layers and all that they stand on."""
        found: set[str] = set()
        for chain_id in chain_ids:
            here: str | None = chain_id
            while here is not None and here in self._parents and here not in found:
                found.add(here)
                here = self._parents[here]
        return found

    def content(self, chain_ids: Iterable[str]) -> int:
        """The bytes of file content in the trees of these layers."""
        return sum(self._sizes.get(chain_id, 0) for chain_id in chain_ids)

    def taken(self, chain_ids: Iterable[str]) -> int:
        """As ``content``, with the blobs that came with them: what goes when they go."""
        chains = set(chain_ids)
        blobs = {self._blobs[chain_id] for chain_id in chains if chain_id in self._blobs}
        return self.content(chains) + self.documents(blobs)

    def documents(self, digests: Iterable[str]) -> int:
        """The bytes of these blobs."""
        return sum(_size(self._paths.blob(digest)) for digest in set(digests))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
