"""Owns what a form is, and two: run and build; refuses engine calls: they are dismissed with a value.

Enter in any field submits, Esc leaves; what is wrong is said in the form, which stays open.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.suggester import SuggestFromList
from textual.widgets import Checkbox, Input, Label, Static

from engine.errors import EngineError, InvalidInput
from engine.options import BuildOptions, CreateOptions
from tuidock.run_text import RunFields, command_text, to_options
from tuidock.sanitize import label

if TYPE_CHECKING:
    from textual.app import ComposeResult

_RUN_FIELDS = (
    ("image", "image", "name:tag"),
    ("command", "command", "the image's own"),
    ("name", "name", "two random words"),
    ("ports", "ports", "8080:80 53:53/udp"),
    ("env", "env", "NAME=value OTHER='two words'"),
    ("volumes", "volumes", "/srv/data:/data:ro name:/var/lib"),
    ("network", "network", "bridge, host, none or a name"),
)
_BUILD_FIELDS = (
    ("folder", "folder", "where the Dockerfile and its files are"),
    ("tag", "tag", "name:tag"),
    ("file", "Dockerfile", "Dockerfile in the folder"),
    ("target", "target", "the last stage"),
)


class Tick(Checkbox, inherit_bindings=False):
    """A checkbox that says by a letter, not by a colour alone, whether it is ticked; Enter is the form's."""

    BINDINGS = [Binding("space", "toggle_button", "tick")]
    # the brackets stand within, for Textual paints the sides in the inner part's background
    BUTTON_LEFT = BUTTON_RIGHT = ""
    BUTTON_INNER = "[ ]"

    def watch_value(self) -> None:
        """The letter follows the value."""
        self.BUTTON_INNER = "[x]" if self.value else "[ ]"
        super().watch_value()


class Form(ModalScreen[object]):
    """Fields under each other, what is wrong, the equivalent command."""

    BINDINGS = [
        Binding("escape", "leave", "leave"),
        Binding("ctrl+s", "submit", "go", priority=True),
        Binding("enter", "submit", "go"),
        Binding("down", "app.focus_next", "next field"),
        Binding("up", "app.focus_previous", "previous field"),
    ]

    heading = ""
    complaint = ""
    fields: tuple[tuple[str, str, str], ...] = ()
    boxes: tuple[tuple[str, str], ...] = ()

    def initial(self) -> dict[str, str]:
        """What the fields hold at first."""
        raise NotImplementedError

    def ticked(self, name: str) -> bool:  # noqa: ARG002 - for the form that has ticks to offer
        """Whether the box called ``name`` is ticked at first."""
        return False

    def known(self, name: str) -> tuple[str, ...]:  # noqa: ARG002 - for the form that has names to offer
        """What the field called ``name`` can be completed to, the likeliest first."""
        return ()

    def command(self) -> str:
        """The equivalent command; EngineError for what cannot be read."""
        raise NotImplementedError

    def value(self) -> object:
        """What the form is dismissed with; EngineError for what cannot be read."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        initial = self.initial()
        with VerticalScroll(classes="dialog", can_focus=False) as dialog:
            dialog.border_title = Content(f" {self.heading} ")
            dialog.border_subtitle = Content(" Enter goes · Esc leaves · Tab next field ")
            for name, title, hint in self.fields:
                with Horizontal(classes="row"):
                    yield Label(Content(title))
                    known = self.known(name)
                    completion = SuggestFromList(known) if known else None
                    yield Input(initial.get(name, ""), placeholder=hint, id=name, suggester=completion)
            for name, title in self.boxes:
                with Horizontal(classes="row"):
                    yield Label(Content(""))
                    yield Tick(Content(title), value=self.ticked(name), id=name)
            yield Static("", classes="command", markup=False)
            yield Static("", classes="error", markup=False)

    def on_mount(self) -> None:
        self._tell()
        # once the fields' own first changes have been dealt with, which tell too
        self.call_after_refresh(self._complain, self.complaint)

    def _complain(self, complaint: str) -> None:
        if complaint:
            self.query_one(".error", Static).update(Content(label(complaint)))

    def text(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value

    def checked(self, name: str) -> bool:
        return self.query_one(f"#{name}", Tick).value

    def on_input_changed(self) -> None:
        self._tell()

    def on_checkbox_changed(self) -> None:
        self._tell()

    def on_input_submitted(self) -> None:
        self.action_submit()

    def _tell(self) -> None:
        """Show the equivalent command, or what is wrong with the fields."""
        try:
            command, complaint = self.command(), ""
        except EngineError as error:
            command, complaint = "", str(error)
        self.query_one(".command", Static).update(Content(label(command)))
        self.query_one(".error", Static).update(Content(label(complaint)))

    def action_submit(self) -> None:
        """Close with the value, unless something is wrong."""
        try:
            value = self.value()
        except EngineError as error:
            remedy = f" ({error.remedy})" if error.remedy else ""
            self._complain(f"{error}{remedy}")
            return
        self.dismiss(value)

    def action_leave(self) -> None:
        self.dismiss(None)


class RunForm(Form):
    """Run an image: dismissed with CreateOptions (``tty`` means: in the real terminal) or None."""

    heading = "run"
    fields = _RUN_FIELDS
    boxes = (("interactive", "interactive (-it)"), ("remove", "remove after (--rm)"))

    def __init__(self, fields: RunFields, image_cmd: tuple[str, ...] = (), complaint: str = "") -> None:
        super().__init__()
        self.given = fields
        self.image_cmd = image_cmd
        self.complaint = complaint

    def initial(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.given._asdict().items() if isinstance(value, str)}

    def ticked(self, name: str) -> bool:
        return bool(getattr(self.given, name))

    def value(self) -> CreateOptions:
        """The options; the command is left to the image where the field is as it was prefilled."""
        texts = {name: self.text(name) for name, _, _ in self.fields}
        fields = RunFields(**texts, interactive=self.checked("interactive"), remove=self.checked("remove"))
        options = to_options(fields, self.image_cmd)
        self.given = fields
        return options

    def command(self) -> str:
        return command_text(self.value())


class BuildForm(Form):
    """Build a folder: dismissed with BuildOptions or None."""

    heading = "build"
    fields = _BUILD_FIELDS
    boxes = (("no_cache", "without the cache (--no-cache)"),)

    def __init__(self, folder: str, tag: str) -> None:
        super().__init__()
        self._folder = folder
        self._tag = tag

    def initial(self) -> dict[str, str]:
        return {"folder": self._folder, "tag": self._tag}

    def command(self) -> str:
        options = self._options()
        arguments = ["build"]
        for tag in options.tags:
            arguments += ["-t", tag]
        if options.dockerfile:
            arguments += ["-f", options.dockerfile]
        if options.target:
            arguments += ["--target", options.target]
        if options.no_cache:
            arguments.append("--no-cache")
        return f"tuidock {shlex.join([*arguments, options.context or '.'])}"

    def value(self) -> BuildOptions:
        """The options; the folder and its Dockerfile must be there."""
        options = self._options()
        folder = options.context or ""
        if not os.path.isdir(folder):
            raise InvalidInput("folder", f"{folder} is not a folder")
        dockerfile = options.dockerfile or os.path.join(folder, "Dockerfile")
        if not os.path.isfile(dockerfile):
            raise InvalidInput(
                "Dockerfile", f"{dockerfile} does not exist", remedy="choose another folder or file"
            )
        return options

    def _options(self) -> BuildOptions:
        folder = os.path.abspath(os.path.expanduser(self.text("folder").strip() or "."))
        file = self.text("file").strip()
        tag = self.text("tag").strip()
        return BuildOptions(
            context=folder,
            dockerfile=os.path.join(folder, os.path.expanduser(file)) if file else None,
            tags=(tag,) if tag else (),
            target=self.text("target").strip() or None,
            no_cache=self.checked("no_cache"),
        )


def suggested_build(folder: str, *, examples: str | None) -> tuple[str, str]:
    """The folder and tag to offer: ``folder`` if it can be built, else the hello example if it is there."""
    chosen = folder
    if not os.path.isfile(os.path.join(folder, "Dockerfile")) and examples is not None:
        chosen = os.path.join(examples, "hello")
    name = "".join(
        c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in os.path.basename(chosen).lower()
    )
    return chosen, name.strip("._-") or "image"
