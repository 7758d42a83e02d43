"""Owns what facts of layers add up to: phase, bytes, rate, in the order in which they were told; pure.

Refuses clocks (``now`` is given, in seconds) and looks: the command line and the terminal interface have
their own.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.events import LayerProgress

LAST = frozenset({"done", "present", "pulled", "pushed", "exists"})
"""The phases after which nothing more happens to a layer."""
_WINDOW_SECONDS = 5.0
_FEWEST_SECONDS = 0.5
_AT_ONCE_SECONDS = 0.05


class Rate:
    """Bytes a second over the last few seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def tell(self, done: int, now: float) -> None:
        """``done`` bytes were there at ``now``."""
        # what is read from a record comes at once, and says nothing of how long it took
        if self._samples and now - self._samples[-1][0] < _AT_ONCE_SECONDS:
            self._samples.pop()
        self._samples.append((now, done))

    def at(self, now: float) -> float:
        """Bytes a second, 0 while it is not known yet or when nothing has come for a while."""
        while len(self._samples) > 1 and self._samples[1][0] <= now - _WINDOW_SECONDS:
            self._samples.popleft()
        if not self._samples or now - self._samples[0][0] < _FEWEST_SECONDS:
            return 0.0
        (since, before), (_, done) = self._samples[0], self._samples[-1]
        return max(0, done - before) / (now - since)


class Transfer:
    """One layer on its way."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self.phase = "waiting"
        self.done = 0
        self.total = 0
        self._rate = Rate()

    @property
    def moving(self) -> bool:
        """Whether bytes of it are handled now."""
        return self.phase not in LAST and self.phase not in {"waiting", "ended"}

    def tell(self, fact: LayerProgress, now: float) -> None:
        """Take one fact of this layer."""
        if fact.phase != self.phase:
            self._rate = Rate()
        self.phase, self.done, self.total = fact.phase, fact.done, fact.total
        if self.moving:
            self._rate.tell(fact.done, now)

    def rate(self, now: float) -> float:
        """Bytes a second, 0 where nothing moves or it is not known."""
        return self._rate.at(now) if self.moving else 0.0


class Transfers:
    """The layers of one pull, push or load."""

    def __init__(self) -> None:
        self._layers: dict[str, Transfer] = {}

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def all(self) -> tuple[Transfer, ...]:
        """In the order in which they were told of first: the manifest's."""
        return tuple(self._layers.values())

    @property
    def moving(self) -> bool:
        """Whether anything is on its way."""
        return any(transfer.phase not in LAST and transfer.phase != "ended" for transfer in self.all)

    def phase(self, layer: str) -> str:
        """What is done to ``layer`` now; "" if nothing was told of it."""
        transfer = self._layers.get(layer)
        return "" if transfer is None else transfer.phase

    def tell(self, fact: LayerProgress, now: float) -> Transfer:
        """Take one fact; what came just now for one tag is not said to have been there for the next."""
        transfer = self._layers.setdefault(fact.layer, Transfer(fact.layer))
        if not (fact.phase in {"present", "waiting"} and transfer.phase in LAST):
            transfer.tell(fact, now)
        return transfer

    def complete(self) -> None:
        """All has gone well: every layer that was begun is there."""
        for transfer in self.all:
            if transfer.phase not in LAST:
                transfer.phase = "done"

    def end(self) -> None:
        """It is over: what was still on its way was cut off."""
        for transfer in self.all:
            if transfer.phase not in LAST:
                transfer.phase = "ended"
