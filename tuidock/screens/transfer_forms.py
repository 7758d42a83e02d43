"""Owns the forms of what goes between here and registries: pull, push; refuses engine calls.

They are dismissed with a value, as those of ``forms``.
"""

from __future__ import annotations

import shlex
from typing import NamedTuple

from engine.errors import InvalidInput
from engine.oci import platform as platforms
from engine.oci import reference as references
from engine.options import PullOptions
from tuidock.screens.forms import Form

_NAME = "name{}"


class PullForm(Form):
    """Pull an image: dismissed with PullOptions or None; ``offered`` are names that it completes."""

    heading = "pull"
    fields = (
        ("reference", "image", "name:tag, → completes"),
        ("platform", "platform", "this machine's, or linux/arm64 …"),
    )
    boxes = (("all_tags", "every tag of the repository (-a)"),)

    def __init__(self, offered: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._offered = offered

    def initial(self) -> dict[str, str]:
        return {}

    def known(self, name: str) -> tuple[str, ...]:
        return self._offered if name == "reference" else ("linux/amd64", "linux/arm64")

    def command(self) -> str:
        if not self.text("reference").strip():
            return ""
        options = self.value()
        arguments = ["pull", *(["-a"] if options.all_tags else [])]
        if options.platform:
            arguments += ["--platform", options.platform]
        return f"tuidock {shlex.join([*arguments, options.reference])}"

    def value(self) -> PullOptions:
        """The options; the name must be one that a registry can have."""
        text, platform = self.text("reference").strip(), self.text("platform").strip()
        if not text:
            raise InvalidInput("image", "which image?", remedy="name:tag, or with its registry before")
        reference, all_tags = references.parse(text), self.checked("all_tags")
        if all_tags and (reference.tag or reference.digest):
            raise InvalidInput("", "tag can't be used with --all-tags/-a")
        if platform:
            platforms.parse(platform)
        return PullOptions(reference=text, all_tags=all_tags, platform=platform or None)


class PushWish(NamedTuple):
    """Names to push, and one among them that the image is to get first ("": none)."""

    names: tuple[str, ...]
    new: str = ""


class PushForm(Form):
    """Push an image: dismissed with PushWish or None; ``offered`` is what a new name is completed to."""

    heading = "push"
    fields = (("new", "new name", "registry/name:tag, → completes"),)

    def __init__(self, names: tuple[str, ...], offered: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._names = names
        self._offered = offered
        self.boxes = tuple((_NAME.format(number), name) for number, name in enumerate(names))

    def initial(self) -> dict[str, str]:
        return {}

    def known(self, name: str) -> tuple[str, ...]:  # noqa: ARG002 - there is one field
        return self._offered

    def ticked(self, name: str) -> bool:
        return name == _NAME.format(0)

    def command(self) -> str:
        wish = self._wish()
        tag = [["tag", self._names[0] if self._names else "IMAGE", wish.new]] if wish.new else []
        commands = [*tag, *(["push", name] for name in wish.names)]
        return " && ".join(f"tuidock {shlex.join(command)}" for command in commands)

    def value(self) -> PushWish:
        """The wish; there must be something in it."""
        wish = self._wish()
        if not wish.names:
            raise InvalidInput("name", "under which name?", remedy="tick one (space), or give a new one")
        return wish

    def _wish(self) -> PushWish:
        new = self.text("new").strip()
        if new and references.parse(new).digest:
            raise InvalidInput("", "cannot push a digest reference", remedy="give name:tag")
        ticked = [name for number, name in enumerate(self._names) if self.checked(_NAME.format(number))]
        return PushWish((*ticked, *([new] if new else [])), new)
