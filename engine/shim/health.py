"""Owns a container's health as its checks tell it: status, failing streak, the last results; pure.

Source: moby daemon/health.go. Refuses to run a check, and to know the time: it is told.
"""

from __future__ import annotations

OUTPUT_LIMIT = 4096
"""Bytes of a check's output that are kept."""
_RESULTS = 5
_HOURS, _MINUTES = 3600.0, 60.0


class Health:
    """The health of one container; ``wanted`` is the bundle's ``health`` object, durations in seconds."""

    __slots__ = ("_log", "_streak", "_wanted", "status")

    def __init__(self, wanted: dict) -> None:  # type: ignore[type-arg]  # JSON
        self._wanted = wanted
        self._log: list[dict] = []  # type: ignore[type-arg]
        self.begin()

    def begin(self) -> None:
        """The container has just been started (again): the results of before are kept."""
        self.status = "starting"
        self._streak = 0

    def stop(self) -> None:
        """Nobody checks any more: whoever does not know calls it unhealthy, as Docker does."""
        self.status = "unhealthy"

    def pause(self, age: float) -> float:
        """Seconds from now to the next check of a container that was started ``age`` seconds ago."""
        young = age < self._wanted["start_period"] and self.status == "starting"
        pause: float = self._wanted["start_interval" if young else "interval"]
        return pause

    def take(self, result: dict, age: float) -> bool:  # type: ignore[type-arg]
        """Count one result ({"start", "end", "exit_code", "output"}); whether the status is another now.

        ``age`` is that of the container when the check began: failures of a young one do not count.
        """
        before = self.status
        self._log = [*self._log[1 - _RESULTS :], result]
        if result["exit_code"] == 0:
            self.status, self._streak = "healthy", 0
        elif not (before == "starting" and age < self._wanted["start_period"]):
            self._streak += 1
            if self._streak >= self._wanted["retries"]:
                self.status = "unhealthy"
        return self.status != before

    def facts(self) -> dict:  # type: ignore[type-arg]
        """As state.json has it."""
        return {"status": self.status, "failing_streak": self._streak, "log": self._log}


def cut(output: bytes) -> str:
    """A check's output as it is kept."""
    text = output[:OUTPUT_LIMIT].decode("utf-8", "replace")
    return f"{text}..." if len(output) > OUTPUT_LIMIT else text


def timed_out(seconds: float, output: bytes) -> str:
    """What is kept of a check that took longer than ``seconds``."""
    words = f"Health check exceeded timeout ({duration(seconds)})"
    return f"{words}: {cut(output)}" if output else words


def duration(seconds: float) -> str:
    """``1h0m0s``, ``1.5s`` or ``20ms``: as Go prints durations."""
    if seconds < 1:
        return f"{seconds * 1000:.6g}ms"
    hours, rest = divmod(seconds, _HOURS)
    minutes, rest = divmod(rest, _MINUTES)
    text = f"{hours:.0f}h" if hours else ""
    text += f"{minutes:.0f}m" if hours or minutes else ""
    return f"{text}{rest:.9g}s"
