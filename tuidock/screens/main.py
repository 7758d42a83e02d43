"""Owns what a user can do on the main screen: each action binds to ids and a verb at the key press.

Carrying out is left to ``tuidock.verbs``; asking to ``confirm`` and ``forms``. It refuses to act on a row
that was not under the cursor when the key was pressed.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from textual import on, work
from textual.worker import Worker, WorkerState

from engine.errors import EngineError
from engine.options import BootstrapOptions, BuildOptions, CreateOptions
from tuidock import keys
from tuidock.messages import (
    ActionFailed,
    ActionFinished,
    ActionRefused,
    EngineFailed,
    TerminalReturned,
    innermost,
)
from tuidock.pages import document_page
from tuidock.run_text import RunFields, prefilled, run_arguments
from tuidock.sanitize import label
from tuidock.screens.confirm import ConfirmDialog
from tuidock.screens.follow import FollowScreen
from tuidock.screens.forms import BuildForm, RunForm, suggested_build
from tuidock.screens.page import PageScreen, help_page, story_page
from tuidock.screens.welcome import HELLO
from tuidock.verbs import Changed, Target, carry_out, preview
from tuidock.widgets.row_table import RowTable

if TYPE_CHECKING:
    from engine.engine import Engine
    from engine.records import Image
    from tuidock.feed import Feed

_SHELL = ("/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh")
_KINDS = {keys.CONTAINERS: "container", keys.IMAGES: "image", keys.BUILDS: "job"}


class MainScreen(FollowScreen):
    """The one screen that everything else opens over."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.feed: Feed | None = None

    def engine_opened(self, engine: Engine, feed: Feed) -> None:
        """From now on actions reach ``engine``."""
        self.engine, self.feed = engine, feed

    # -- dispatch -----------------------------------------------------------------------------
    def action_act(self, action_id: str) -> None:
        """Take the action of ``keys`` called ``action_id``, where it applies."""
        for table in self.tables.values():
            table.note_key()
        self.taken += 1
        self._wanted_row = None
        action = keys.BY_ID[action_id]
        if not action.applies(self.place):
            self.say(f"{action.label}: not here")
            return
        if action.group == "Act" and not self.table.settled:
            self.say("the row under the cursor has just gone: look, then press again", "bad")
            return
        getattr(self, f"do_{action_id}")()

    def _targets(self) -> tuple[Target, ...]:
        """The marked rows, else the one under the cursor, as they are at this key press."""
        ids = sorted(self.table.marks) or [self.table.cursor_id or ""]
        return tuple(target for row_id in ids if (target := self._target(row_id)) is not None)

    def _target(self, row_id: str) -> Target | None:
        if self.tab == keys.CONTAINERS and row_id in self.containers:
            container = self.containers[row_id]
            return Target("container", row_id, label(container.name), container.state.running)
        if self.tab == keys.IMAGES and row_id in self.images:
            names = self.images[row_id].names
            return Target("image", row_id, label(names[0] if names else row_id[7:19]))
        if self.tab == keys.BUILDS and row_id in self.jobs:
            job = self.jobs[row_id]
            return Target("job", row_id, label(job.title), job.status == "running")
        return None

    # -- verbs on what is there ---------------------------------------------------------------
    def do_toggle(self) -> None:
        """Stop what runs, or start what does not: decided now, from what is shown now."""
        targets = self._targets()
        running = tuple(target for target in targets if target.running)
        verb, aimed = ("stop", running) if running else ("start", targets)
        self._ask_if_marked(verb, aimed)

    def do_restart(self) -> None:
        self._ask_if_marked("restart", self._targets())

    def do_cancel(self) -> None:
        running = tuple(target for target in self._targets() if target.running)
        if running:
            self._ask("cancel", running)
        else:
            self.say("that job is over already")

    def do_remove(self) -> None:
        targets = self._targets()
        if self.tab == keys.BUILDS and any(target.running for target in targets):
            self.say("a running job: x cancels it first", "bad")
        elif targets:
            self._ask("remove", targets)

    def _ask_if_marked(self, verb: str, targets: tuple[Target, ...]) -> None:
        if self.table.marks:
            self._ask(verb, targets)
        elif targets:
            self._carry_out(verb, targets)

    def _ask(self, verb: str, targets: tuple[Target, ...]) -> None:
        hidden = [target.name for target in targets if target.id in self.table.hidden_marks]
        looking = (
            preview(self.engine, targets)
            if self.engine and verb == "remove" and self.tab != keys.BUILDS
            else None
        )
        dialog = ConfirmDialog(verb, [target.name for target in targets], hidden=hidden, preview=looking)

        def answered(yes: bool | None) -> None:
            if yes:
                self._carry_out(verb, targets)

        self.app.push_screen(dialog, answered)

    @work(group="verbs", exit_on_error=False)
    async def _carry_out(self, verb: str, targets: tuple[Target, ...]) -> None:
        if self.engine is None:
            return
        for target in targets:
            self.say(f"{verb} {target.name} …")
            try:
                text = await carry_out(self.engine, verb, target)
            except Changed as changed:
                self.post_message(ActionRefused(verb, target.id, str(changed)))
            except (EngineError, OSError) as error:
                self.post_message(ActionFailed(verb, target.id, error))
            else:
                self.post_message(ActionFinished(verb, target.id, text))
        if targets and targets[0].kind == "job" and self.feed is not None:
            self.feed.refresh()

    @on(ActionFinished)
    def _finished(self, event: ActionFinished) -> None:
        self.say(event.text, "good")
        for table in self.tables.values():
            table.marks.discard(event.subject)

    @on(ActionRefused)
    def _refused(self, event: ActionRefused) -> None:
        self.say(event.text, "bad")

    @on(ActionFailed)
    def _failed(self, event: ActionFailed) -> None:
        self._tell(event.verb, event.error)

    @on(EngineFailed)
    def _engine_failed(self, event: EngineFailed) -> None:
        self._tell("engine", event.error)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """An action or a reader that broke is told, never lost."""
        error = event.worker.error
        if event.state is WorkerState.ERROR and error is not None:
            self._tell(event.worker.group, innermost(error))

    def _tell(self, verb: str, error: BaseException) -> None:
        """One line for a short error; the whole story in a page of its own for a long one."""
        self.say(f"{verb}: {label(str(error))}", "bad")
        if getattr(error, "remedy", "") or getattr(error, "output", ()) or "\n" in str(error):
            self.app.push_screen(story_page(f"{verb} failed", error))

    # -- looking ------------------------------------------------------------------------------
    def do_open(self) -> None:
        if self.place == keys.WELCOME:
            self._begin(self.table.cursor_id or HELLO)
        elif self.table.cursor_id is not None:
            self.enter_detail()

    @on(RowTable.Opened)
    def _row_opened(self) -> None:
        self.do_open()

    def do_logs(self) -> None:
        self.detail.show_subject(self.tab, self.detail.heading.subject)
        self.detail.choose("logs")
        self.enter_detail()

    def do_failure(self) -> None:
        self.enter_detail()
        if not self.detail.build.jump_to_failure():
            self.say("no step has failed")

    @work(group="inspect", exclusive=True, exit_on_error=False)
    async def do_inspect(self) -> None:
        """The engine's document of the row under the cursor."""
        row_id, engine = self.table.cursor_id, self.engine
        target = self._target(row_id) if row_id else None
        if target is None or engine is None:
            return
        try:
            door = engine.images if target.kind == "image" else engine.containers
            document = await door.inspect(target.id)
        except EngineError as error:
            self._tell("inspect", error)
            return
        self.app.push_screen(PageScreen(f"inspect {target.name}", document_page(document)))

    # -- the real terminal --------------------------------------------------------------------
    def do_exec(self) -> None:
        if target := self._live_target():
            self._lend(f"exec in {target.name}", "exec", "-it", target.id, *_SHELL)

    def do_attach(self) -> None:
        if target := self._live_target():
            self._lend(f"attach to {target.name}", "attach", target.id)

    def _live_target(self) -> Target | None:
        target = self._target(self.table.cursor_id or "")
        if target is not None and not target.running:
            self.say(f"{target.name} is not running: s starts it", "bad")
            return None
        return target

    @work(group="terminal", exclusive=True, exit_on_error=False)
    async def _lend(self, title: str, *arguments: str) -> None:
        """Run a tuidock command in the real terminal and say how it ended."""
        if self.engine is None:
            return
        from tuidock.terminal import LendableDriver, lend

        if not isinstance(self.app._driver, LendableDriver):  # noqa: SLF001 - Textual has no public door
            self.say(f"{title}: this needs a real terminal", "bad")
            return
        paths = self.engine.paths
        command = (sys.executable, "-P", "-m", "tuidock", "--root", paths.root, *arguments)
        environ = {**os.environ, "TUIDOCK_RUN": paths.run}
        lending = await lend(self.app, command, environ, catch_stderr=arguments[0] == "exec")
        self.post_message(TerminalReturned(title, lending.exit_code, lending.complaint))

    @on(TerminalReturned)
    def _returned(self, event: TerminalReturned) -> None:
        complaint = " ".join(label(event.complaint).replace("^J", " ").split())
        if event.exit_code and complaint:
            self.say(f"{event.title}: {complaint}", "bad")
        else:
            self.say(
                f"{event.title}: ended with exit code {event.exit_code}", "" if event.exit_code else "good"
            )

    # -- making things ------------------------------------------------------------------------
    def do_run(self) -> None:
        """The form for the image of the row: its own, its container's, or the one it built."""
        image, name = self._image_here()
        fields = prefilled(image, name) if image is not None else RunFields(image=name)
        form = RunForm(fields, image.config.cmd if image is not None else ())
        self.app.push_screen(form, self._run_asked)

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

    def _run_asked(self, options: object) -> None:
        if not isinstance(options, CreateOptions):
            return
        if options.tty:
            self._lend(f"run {label(options.image)}", *run_arguments(options))
        else:
            self._create_and_start(options, show_output=False)

    @work(group="verbs", exit_on_error=False)
    async def _create_and_start(self, options: CreateOptions, *, show_output: bool) -> None:
        await self._run_container(options, show_output=show_output)

    async def _run_container(self, options: CreateOptions, *, show_output: bool) -> None:
        if self.engine is None:
            return
        taken = self.taken
        self.say(f"run {label(options.image)} …")
        try:
            container = await self.engine.containers.create(options)
            self.show_row(keys.CONTAINERS, container.id, taken)
            await self.engine.containers.start(container.id)
        except (EngineError, OSError) as error:
            self.post_message(ActionFailed("run", options.image, error))
            return
        self.post_message(ActionFinished("run", container.id, f"{label(container.name)} started"))
        if show_output and taken == self.taken:
            self.detail.show_subject(keys.CONTAINERS, label(container.name))
            self.detail.choose("logs")
            self.enter_detail()

    def do_build(self) -> None:
        folder, tag = suggested_build(os.getcwd(), examples=_examples())
        self.app.push_screen(BuildForm(folder, tag), self._build_asked)

    def _build_asked(self, options: object) -> None:
        if isinstance(options, BuildOptions):
            title = options.tags[0] if options.tags else os.path.basename(options.context or "")
            self._start_job("build", options, title)

    @work(group="verbs", exit_on_error=False)
    async def _start_job(self, verb: str, options: BuildOptions | BootstrapOptions, title: str) -> None:
        await self._launch(verb, options, title)

    async def _launch(self, verb: str, options: BuildOptions | BootstrapOptions, title: str) -> None:
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

    @work(group="verbs", exit_on_error=False)
    async def _begin(self, name: str) -> None:
        """The empty state's Enter: make the image if it is not here, then run it or offer to."""
        image = self._stored(name)
        if image is None and name != HELLO:
            await self._launch("bootstrap", BootstrapOptions(name=name), f"bootstrap {name}")
        elif name != HELLO and image is not None:
            self.app.push_screen(RunForm(prefilled(image, name), image.config.cmd), self._run_asked)
        elif image is not None or await self._make(name):
            await self._run_container(CreateOptions(image=name), show_output=True)

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

    # -- the program --------------------------------------------------------------------------
    def do_help(self) -> None:
        self.app.push_screen(help_page())

    def do_palette(self) -> None:
        self.app.action_command_palette()

    def do_theme(self) -> None:
        self.app.call_later(self.app.run_action, "next_theme")

    def do_quit(self) -> None:
        running = sum(container.state.running for container in self.containers.values())
        jobs = sum(job.status == "running" for job in self.jobs.values())
        self.app.exit((running, jobs))


def _examples() -> str | None:
    """The examples of a checkout, if this is one."""
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    folder = os.path.join(top, "examples")
    return folder if os.path.isfile(os.path.join(folder, "hello", "Dockerfile")) else None
