"""Owns what a container calls itself, inside and in the journal; pure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.records import Container


def container_hostname(container: Container) -> str:
    """What the container calls itself."""
    if "host" in {container.options.network, container.options.uts} and not container.config.hostname:
        return os.uname().nodename
    return container.config.hostname or container.id[:12]


def event_attributes(container: Container) -> dict[str, str]:
    """What the journal says of the container: its labels, image and name, as Docker's events do."""
    return {**container.config.labels, "image": container.image, "name": container.name}
