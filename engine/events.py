"""Owns the facts that the engine reports while it works, and the journal's event; refuses callbacks lists.

A verb takes one ``progress`` callable and calls it with these values, from the event loop's thread.
``Event`` is the other kind: one line of the append-only journal that every process reads.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of progress facts; ``type`` in JSON is the class's name."""


class LayerProgress(Fact, frozen=True, kw_only=True):
    """Bytes of one layer handled so far; ``total`` 0 when unknown.

    ``phase`` is what is done now (waiting, read, unpack, download, upload) or at last (done, pulled, pushed;
    exists: the registry has it, present: the store has it).
    """

    layer: str
    phase: str
    done: int
    total: int = 0


class Message(Fact, frozen=True, kw_only=True):
    """One line for people: what the engine is doing now."""

    text: str


class Warned(Fact, frozen=True, kw_only=True):
    """Something that was asked for and is left out, or is dangerous; Docker's words, without WARNING."""

    text: str


class ImageStored(Fact, frozen=True, kw_only=True):
    """An image is complete in the store under ``names``."""

    image_id: str
    names: tuple[str, ...] = ()


class BuildStep(Fact, frozen=True, kw_only=True):
    """One step of a build plan; ``name`` as shown: ``[stage 2/5] RUN make``."""

    index: int
    name: str
    stage: str
    line: int
    instruction: str


class BuildPlanned(Fact, frozen=True, kw_only=True):
    """The steps that a build will take, in the order in which they are shown."""

    steps: tuple[BuildStep, ...]
    dockerfile: str = ""
    """The Dockerfile's path as shown to people."""


class StepStarted(Fact, frozen=True, kw_only=True):
    """Step ``index`` began."""

    index: int


class StepOutput(Fact, frozen=True, kw_only=True):
    """Bytes that a step's process wrote; ``stream`` is stdout or stderr."""

    index: int
    stream: str
    content: bytes


class StepFinished(Fact, frozen=True, kw_only=True):
    """Step ``index`` is done; ``seconds`` of wall time; ``cached`` if nothing was run."""

    index: int
    seconds: float
    cached: bool
    layer: str = ""


class StepFailed(Fact, frozen=True, kw_only=True):
    """Step ``index`` failed with ``exit_code``; the error itself is raised by the verb."""

    index: int
    seconds: float
    exit_code: int
    reason: str


class BuildFinished(Fact, frozen=True, kw_only=True):
    """The image that came out."""

    image_id: str
    tags: tuple[str, ...]
    seconds: float


ProgressFact = (
    LayerProgress
    | Message
    | Warned
    | ImageStored
    | BuildPlanned
    | StepStarted
    | StepOutput
    | StepFinished
    | StepFailed
    | BuildFinished
)
Progress = Callable[[ProgressFact], None]


def ignore_progress(fact: ProgressFact) -> None:
    """Drop ``fact``: the progress callable of callers that want none."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal; ``time`` in nanoseconds since the epoch.

    ``type`` is container, image, network, volume or job; ``action`` is Docker's word (create, start,
    die, stop, kill, destroy, rename, tag, untag, delete, load, save, pull, …); ``attributes`` hold
    Docker's (name, image, exitCode, signal, …).
    """

    time: int
    type: str
    action: str
    id: str
    attributes: dict[str, str] = {}
