"""Owns whether and when a container that ended is started again; pure, refuses clocks and processes.

Source: moby, restartmanager/restartmanager.go.
"""

from __future__ import annotations

_FIRST, _LONGEST, _FACTOR = 0.1, 60.0, 2
_SETTLED = 10.0
"""Seconds; who ran as long as this begins again with the first pause."""


class RestartPolicy:
    """The policy of one container; ``wanted`` is {"name", "maximum"}, a missing one is ``no``."""

    __slots__ = ("_maximum", "_name", "_pause", "cancelled", "count", "stopped")

    def __init__(self, wanted: dict | None) -> None:  # type: ignore[type-arg]  # JSON
        self.count = 0
        """How often it was started again."""
        self.cancelled = False
        """The user has ended it: it stays so until somebody starts it."""
        self.stopped = False
        """The user has sent it a signal, any: that alone is enough for ``unless-stopped``."""
        self._pause = 0.0
        self.change(wanted)

    def change(self, wanted: dict | None) -> None:  # type: ignore[type-arg]
        """Follow another policy from now on."""
        wanted = wanted or {}
        self._name = wanted.get("name") or "no"
        self._maximum = wanted.get("maximum") or 0

    def pause_after(self, exit_code: int, ran: float) -> float | None:
        """Seconds to wait before the next start of what ran for ``ran`` seconds; None: it stays ended."""
        if self.cancelled or self._name == "no" or (self.stopped and self._name == "unless-stopped"):
            return None
        if ran >= _SETTLED:
            self._pause = 0.0
        self._pause = min(self._pause * _FACTOR or _FIRST, _LONGEST)
        if self._name == "on-failure" and (not exit_code or 0 < self._maximum <= self.count):
            return None
        self.count += 1
        return self._pause
