"""Owns the progress file of a job: facts as JSON lines, bounded; refuses to know what they mean to people.

A flood of output is cut in its middle: the first ``HEAD`` bytes are written as they come, of what follows
in a step only the last ``TAIL``, with a line between that says how much was left out.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import msgspec

from engine.events import LayerProgress, ProgressFact, StepFailed, StepFinished, StepOutput

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = 8 << 20
TAIL = 64 << 10

_BETWEEN_LAYER_PROGRESS = 0.1
_LAST_PHASES = frozenset({"done", "pulled", "pushed", "exists", "present"})
_READ_SIZE = 1 << 16
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[ProgressFact] = msgspec.json.Decoder(ProgressFact)


class ProgressWriter:
    """Appends facts to the file at ``path``; an instance is a progress callable."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._head = HEAD
        self._tail: list[StepOutput] = []
        self._tail_size = 0
        self._left_out = 0
        self._layers: dict[str, tuple[str, float]] = {}

    def __call__(self, fact: ProgressFact) -> None:
        """Write ``fact``, unless it is one of a flood."""
        if isinstance(fact, StepOutput):
            self._output(fact)
            return
        if isinstance(fact, LayerProgress) and self._too_soon(fact):
            return
        if isinstance(fact, StepFinished | StepFailed):
            self._flush_tail(fact.index)
        self._write(fact)

    def close(self) -> None:
        """Write what was held back, and close the file."""
        for index in sorted({fact.index for fact in self._tail}):
            self._flush_tail(index)
        os.close(self._descriptor)

    def _output(self, fact: StepOutput) -> None:
        if self._head > 0:
            self._head -= len(fact.content)
            self._write(fact)
            return
        self._tail.append(fact)
        self._tail_size += len(fact.content)
        while self._tail_size - len(self._tail[0].content) > TAIL:
            dropped = self._tail.pop(0)
            self._tail_size -= len(dropped.content)
            self._left_out += len(dropped.content)

    def _flush_tail(self, index: int) -> None:
        kept = [fact for fact in self._tail if fact.index == index]
        if not kept:
            return
        self._tail = [fact for fact in self._tail if fact.index != index]
        self._tail_size = sum(len(fact.content) for fact in self._tail)
        if self._left_out:
            note = f"\n[tuidock: {self._left_out} bytes of output left out]\n".encode()
            self._write(StepOutput(index=index, stream="stderr", content=note))
            self._left_out = 0
        for fact in kept:
            self._write(fact)

    def _too_soon(self, fact: LayerProgress) -> bool:
        now = time.monotonic()
        phase, told = self._layers.get(fact.layer, ("", 0.0))
        if fact.phase == phase and now - told < _BETWEEN_LAYER_PROGRESS and phase not in _LAST_PHASES:
            return True
        self._layers[fact.layer] = (fact.phase, now)
        return False

    def _write(self, fact: ProgressFact) -> None:
        line = memoryview(_encoder.encode(fact) + b"\n")
        while line:
            line = line[os.write(self._descriptor, line) :]


class ProgressReader:
    """Reads the facts of the file at ``path``, from the first on, as far as they are written."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._rest = b""

    def facts(self) -> Iterator[ProgressFact]:
        """The facts that came since the last call; a line that no release of ours wrote is skipped."""
        while data := os.read(self._descriptor, _READ_SIZE):
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                try:
                    yield _decoder.decode(line)
                except msgspec.DecodeError:
                    continue

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
