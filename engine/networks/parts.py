"""Owns what the verbs on networks share: paths, records, netlink templates, journal; refuses decisions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from engine.events import Event
from engine.network.ports import PortClaims
from engine.network.template import Templates
from engine.store.network_records import NetworkRecords

if TYPE_CHECKING:
    from engine.paths import Paths
    from engine.records import Network
    from engine.store.database import Database
    from engine.store.journal import Journal


class Parts:
    """What one root's networks are made with."""

    def __init__(self, paths: Paths, database: Database, journal: Journal) -> None:
        self.paths = paths
        self.records = NetworkRecords(database)
        self.claims = PortClaims()
        self.templates = Templates(paths.network_templates)
        self._journal = journal

    def announce(self, action: str, network: Network, **attributes: str) -> None:
        """Append an event about ``network`` to the journal."""
        attributes = {"name": network.name, "type": network.driver, **attributes}
        self._journal.append(
            Event(time=time.time_ns(), type="network", action=action, id=network.id, attributes=attributes)
        )
