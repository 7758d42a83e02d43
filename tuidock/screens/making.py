"""Owns what the main screen makes: containers by the run form, images by builds and from this machine.

Containers that want the real terminal get it here. It refuses verbs on what is there; those are ``main``'s.
"""

from __future__ import annotations

import contextlib
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from textual import on, work

from engine.errors import EngineError
from engine.options import BootstrapOptions, BuildOptions, CreateOptions, RemoveContainerOptions
from tuidock import keys
from tuidock.messages import ActionFailed, ActionFinished, TerminalReturned
from tuidock.run_text import RunFields, prefilled, run_arguments
from tuidock.sanitize import label
from tuidock.screens.follow import FollowScreen
from tuidock.screens.forms import BuildForm, RunForm, suggested_build
from tuidock.screens.welcome import BUSYBOX, HELLO

if TYPE_CHECKING:
    from engine.options import Options
    from engine.records import Container, Image
    from tuidock.feed import Feed


class MakingScreen(FollowScreen):
    """The lists and the detail side, and what can be made."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.feed: Feed | None = None
        self.lending = False

    # -- the real terminal --------------------------------------------------------------------
    def _lend(self, title: str, *arguments: str, greeting: str = "", goes_on: str = "") -> None:
        """See ``_lent``; from now on keys are meant for the command, and none is an action here."""
        self.lending = True
        self._lent(title, *arguments, greeting=greeting, goes_on=goes_on)

    @work(group="terminal", exclusive=True, exit_on_error=False)
    async def _lent(self, title: str, *arguments: str, greeting: str = "", goes_on: str = "") -> None:
        """Run a tuidock command in the real terminal and say how it ended.

        ``greeting`` stands above what the command shows; ``goes_on`` is the container that it may leave.
        """
        try:
            await self._lend_to(title, arguments, greeting, goes_on)
        finally:
            self.lending = False

    async def _lend_to(self, title: str, arguments: tuple[str, ...], greeting: str, goes_on: str) -> None:
        from tuidock.terminal import LendableDriver, lend

        if self.engine is None:
            return
        if not isinstance(self.app._driver, LendableDriver):  # noqa: SLF001 - Textual has no public door
            self.say(f"{title}: this needs a real terminal", "bad")
            return
        paths = self.engine.paths
        command = (sys.executable, "-P", "-m", "tuidock", "--root", paths.root, *arguments)
        environ = {**os.environ, "TUIDOCK_RUN": paths.run}
        catch = arguments[0] == "exec"
        lending = await lend(self.app, command, environ, catch_stderr=catch, greeting=greeting)
        left = False
        if goes_on:
            with contextlib.suppress(EngineError):
                left = (await self.engine.containers.get(goes_on)).state.running
        self.post_message(TerminalReturned(title, lending.exit_code, lending.complaint, left=left))

    @on(TerminalReturned)
    def _returned(self, event: TerminalReturned) -> None:
        complaint = " ".join(label(event.complaint).replace("^J", " ").split())
        if event.left:
            self.say(f"{event.title}: left, it goes on", "good")
        elif event.exit_code and complaint:
            self.say(f"{event.title}: {complaint}", "bad")
        else:
            self.say(
                f"{event.title}: ended with exit code {event.exit_code}", "" if event.exit_code else "good"
            )

    # -- running ------------------------------------------------------------------------------
    def do_run(self) -> None:
        """The form for the image of the row: its own, its container's, or the one it built."""
        image, name = self._image_here()
        fields = prefilled(image, name) if image is not None else RunFields(image=name)
        self._offer_run(fields, image.config.cmd if image is not None else ())

    def _image_here(self) -> tuple[Image | None, str]:
        row_id = self.table.cursor_id or ""
        name = ""
        if self.tab == keys.CONTAINERS and row_id in self.containers:
            container = self.containers[row_id]
            row_id, name = container.image_id, container.image
        elif self.tab == keys.BUILDS:
            job = self.jobs.get(row_id)
            row_id = (job.image_id if job is not None else "") or self._progress_of(row_id).image_id
        image = self.images.get(row_id)
        if image is not None:
            name = name or (image.names[0] if image.names else image.id)
        return image, name

    def _offer_run(self, fields: RunFields, image_cmd: tuple[str, ...], complaint: str = "") -> None:
        form = RunForm(fields, image_cmd, complaint)
        self.app.push_screen(form, partial(self._run_asked, form))

    def _run_asked(self, form: RunForm, options: object) -> None:
        if not isinstance(options, CreateOptions):
            return
        if options.tty:
            self._lend(f"run {label(options.image)}", *run_arguments(options))
        else:
            self._run_as_asked(form, options)

    @work(group="verbs", exit_on_error=False)
    async def _run_as_asked(self, form: RunForm, options: CreateOptions) -> None:
        """Run what a form asked for; what cannot be run comes back as the form, with the reason in it."""
        taken = self.taken
        error = await self._run_container(options)
        if error is None:
            return
        back = taken == self.taken and self.app.screen is self
        self.post_message(ActionFailed("run", options.image, error, told=not back))
        if back:
            remedy = getattr(error, "remedy", "")
            self._offer_run(form.given, form.image_cmd, f"{error}{f' ({remedy})' if remedy else ''}")

    async def _run_container(self, options: CreateOptions) -> EngineError | OSError | None:
        """Create, start and show; what cannot be started is not left behind, and the error is returned."""
        if self.engine is None:
            return None
        taken = self.taken
        self.say(f"run {label(options.image)} …")
        try:
            container = await self.engine.containers.create(options)
            await self._start_or_remove(container)
        except (EngineError, OSError) as error:
            return error
        self.show_row(keys.CONTAINERS, container.id, taken)
        self.post_message(ActionFinished("run", container.id, f"{label(container.name)} started"))
        return None

    async def _start_or_remove(self, container: Container) -> None:
        assert self.engine is not None  # noqa: S101 - for the type checker
        try:
            await self.engine.containers.start(container.id)
        except (EngineError, OSError):
            with contextlib.suppress(EngineError, OSError):
                await self.engine.containers.remove(container.id, RemoveContainerOptions(volumes=True))
            raise

    # -- building -----------------------------------------------------------------------------
    def do_build(self) -> None:
        folder, tag = suggested_build(os.getcwd(), examples=_examples())
        self.app.push_screen(BuildForm(folder, tag), self._build_asked)

    def _build_asked(self, options: object) -> None:
        if isinstance(options, BuildOptions):
            title = options.tags[0] if options.tags else os.path.basename(options.context or "")
            self._build(options, title)

    @work(group="verbs", exit_on_error=False)
    async def _build(self, options: BuildOptions, title: str) -> None:
        examples = _examples()
        # the first build needs nothing but itself
        hello = examples is not None and options.context == os.path.join(examples, "hello")
        if hello and self._stored(BUSYBOX) is None and not await self._make(BUSYBOX):
            return
        await self._launch("build", options, title)

    async def _launch(self, verb: str, options: Options, title: str) -> None:
        """Start a job and show it in the Builds tab."""
        if self.engine is None:
            return
        taken = self.taken
        self.say(f"{verb} {label(title)} …")
        try:
            job = await self.engine.jobs.start(verb, options, title)
        except (EngineError, OSError) as error:
            self.post_message(ActionFailed(verb, title, error))
            return
        self.show_row(keys.BUILDS, job.id, taken)
        if self.feed is not None:
            self.feed.refresh()

    # -- images from this machine -------------------------------------------------------------
    def do_make(self) -> None:
        """The list of the empty state, whatever there is already."""
        self.offer_images()

    @work(group="verbs", exit_on_error=False)
    async def _begin(self, name: str) -> None:
        """Enter on an image to begin with: make it if it is not here, then run it or offer to."""
        image = self._stored(name)
        if image is None and name != HELLO:
            await self._launch("bootstrap", BootstrapOptions(name=name), f"bootstrap {name}")
        elif name != HELLO and image is not None:
            self._offer_run(prefilled(image, name), image.config.cmd)
        elif image is not None or await self._make(name):
            await self._say_hello(CreateOptions(image=name))

    async def _say_hello(self, options: CreateOptions) -> None:
        taken = self.taken
        error = await self._run_container(options)
        if error is not None:
            self.post_message(ActionFailed("run", options.image, error))
        elif taken == self.taken:
            self.detail.show_subject(keys.CONTAINERS, self.detail.heading.subject)
            self.detail.choose("logs")
            self.enter_detail()

    async def _make(self, name: str) -> bool:
        """Bootstrap ``name`` and wait for it: for what takes no time."""
        if self.engine is None:
            return False
        self.say(f"making {name} …")
        try:
            job = await self.engine.jobs.start("bootstrap", BootstrapOptions(name=name), f"bootstrap {name}")
            job = await self.engine.jobs.result(job.id)
        except (EngineError, OSError) as error:
            self.post_message(ActionFailed("bootstrap", name, error))
            return False
        if job.status != "done":
            self.post_message(
                ActionFailed("bootstrap", name, EngineError(job.error or f"{name}: {job.status}"))
            )
        return job.status == "done"

    def _stored(self, name: str) -> Image | None:
        wanted = {name, f"{name}:latest"}
        return next((image for image in self.images.values() if wanted & set(image.names)), None)


def _examples() -> str | None:
    """The examples of a checkout, if this is one."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folder = os.path.join(top, "examples")
    return folder if os.path.isfile(os.path.join(folder, "hello", "Dockerfile")) else None
