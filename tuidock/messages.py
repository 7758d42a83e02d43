"""Owns the facts that reach the widgets, in the past tense; refuses commands and state.

The feed posts them to the screen. Floods (``Refreshed`` values, ``JobAdvanced``) replace what is still
waiting in a queue, so that a busy engine costs one paint, not one an event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from engine.events import ProgressFact
    from engine.records import Container, Image, Job


class Replaceable(Message):
    """A fact of which only the newest counts."""

    def can_replace(self, message: Message) -> bool:
        """Whether ``message``, still waiting, says nothing that this one does not."""
        return type(message) is type(self)


class EngineOpened(Message):
    """The engine is open; lists will follow."""


class EngineFailed(Message):
    """The engine could not be opened, or its journal could not be read."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def innermost(error: BaseException) -> BaseException:
    """The error itself where a group of tasks wraps it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class ContainersListed(Replaceable):
    """All containers as they are now, newest first."""

    def __init__(self, containers: tuple[Container, ...]) -> None:
        super().__init__()
        self.containers = containers


class ImagesListed(Replaceable):
    """All images as they are now."""

    def __init__(self, images: tuple[Image, ...]) -> None:
        super().__init__()
        self.images = images


class JobsListed(Replaceable):
    """All jobs as they are now, newest first."""

    def __init__(self, jobs: tuple[Job, ...]) -> None:
        super().__init__()
        self.jobs = jobs


class JobAdvanced(Message):
    """Facts of a followed job, in order."""

    def __init__(self, job_id: str, facts: tuple[ProgressFact, ...]) -> None:
        super().__init__()
        self.job_id = job_id
        self.facts = facts


class JobEnded(Message):
    """A followed job is over; all its facts came before."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job


class PullAsked(Message):
    """A pull of ``name`` was asked for: the name is worth remembering."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class _ActionTold(Message):
    """What became of ``verb`` on the thing whose id is ``subject``.

    ``told`` is false where somebody else tells it to the user.
    """

    def __init__(self, verb: str, subject: str, *, told: bool) -> None:
        super().__init__()
        self.verb = verb
        self.subject = subject
        self.told = told


class ActionFinished(_ActionTold):
    """A verb was carried out on the named thing; ``text`` says so."""

    def __init__(self, verb: str, subject: str, text: str, *, told: bool = True) -> None:
        super().__init__(verb, subject, told=told)
        self.text = text


class ActionRefused(_ActionTold):
    """The thing had changed since the key was pressed; nothing was done, and ``text`` says why."""

    def __init__(self, verb: str, subject: str, text: str, *, told: bool = True) -> None:
        super().__init__(verb, subject, told=told)
        self.text = text


class ActionFailed(_ActionTold):
    """A verb failed; ``error`` tells the story."""

    def __init__(self, verb: str, subject: str, error: Exception, *, told: bool = True) -> None:
        super().__init__(verb, subject, told=told)
        self.error = error


class TerminalReturned(Message):
    """A lent terminal is ours again; ``exit_code`` is the child's, ``left`` that its container goes on."""

    def __init__(self, title: str, exit_code: int, complaint: str, *, left: bool = False) -> None:
        super().__init__()
        self.title = title
        self.exit_code = exit_code
        self.complaint = complaint
        self.left = left
