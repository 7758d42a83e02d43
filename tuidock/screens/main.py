"""Owns what a user can do on the main screen: each action binds to ids and a verb at the key press.

Carrying out is left to ``tuidock.verbs``; asking to ``confirm`` and ``forms``. It refuses to act on a row
that was not under the cursor when the key was pressed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import on, work
from textual.worker import Worker, WorkerState

from engine.errors import EngineError
from tuidock import keys
from tuidock.messages import ActionFailed, ActionFinished, ActionRefused, EngineFailed, innermost
from tuidock.pages import document_page
from tuidock.sanitize import label
from tuidock.screens.confirm import ConfirmDialog
from tuidock.screens.moving import MovingScreen
from tuidock.screens.page import PageScreen, help_page, several_stories_page, story_page
from tuidock.screens.welcome import HELLO
from tuidock.verbs import Changed, Target, carry_out, done_text, preview
from tuidock.widgets.row_table import RowTable

if TYPE_CHECKING:
    from engine.engine import Engine
    from tuidock.feed import Feed

_SHELL = ("/bin/sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh")
_AT_ONCE = 50
_KINDS = {keys.CONTAINERS: "container", keys.IMAGES: "image", keys.BUILDS: "job"}


class MainScreen(MovingScreen):
    """The one screen that everything else opens over."""

    refusal = ""
    """Why nothing can be done: the engine could not be opened."""

    def engine_opened(self, engine: Engine, feed: Feed) -> None:
        """From now on actions reach ``engine``."""
        self.engine, self.feed = engine, feed

    # -- dispatch -----------------------------------------------------------------------------
    def action_act(self, action_id: str) -> None:
        """Take the action of ``keys`` called ``action_id``, where it applies."""
        if self.lending:
            return
        for table in self.tables.values():
            table.note_key()
        self.taken += 1
        self._wanted_row = None
        action = keys.BY_ID[action_id]
        if not action.applies(self.place):
            self.say(f"{action.label}: not here")
            return
        if action.group == "Act" and self.refusal:
            self.say(self.refusal, "bad")
            return
        if action.group == "Act" and not self.table.settled:
            self.say("the row under the cursor has just gone: look, then press again", "bad")
            return
        getattr(self, f"do_{action_id}")()

    def _targets(self) -> tuple[Target, ...]:
        """The marked rows, else the one under the cursor, as they are at this key press."""
        ids = self.table.marked_ids or (self.table.cursor_id or "",)
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
        """Do it to all targets: containers at once, for ten slow stops take as long as one."""
        if self.engine is None or not targets:
            return
        alone = len(targets) == 1
        self.say(f"{verb} {targets[0].name if alone else len(targets)} …")
        limit = asyncio.Semaphore(_AT_ONCE if targets[0].kind == "container" else 1)
        aimed = (self._carry_out_one(self.engine, verb, target, limit, alone=alone) for target in targets)
        failed = [failure for failure in await asyncio.gather(*aimed) if failure is not None]
        if not alone:
            self._sum_up(verb, len(targets), failed)
        if targets[0].kind == "job" and self.feed is not None:
            self.feed.refresh()

    async def _carry_out_one(
        self, engine: Engine, verb: str, target: Target, limit: asyncio.Semaphore, *, alone: bool
    ) -> tuple[str, Exception] | None:
        async with limit:
            try:
                text = await carry_out(engine, verb, target)
            except Changed as changed:
                self.post_message(ActionRefused(verb, target.id, str(changed), told=alone))
                return target.name, changed
            except (EngineError, OSError) as error:
                self.post_message(ActionFailed(verb, target.id, error, told=alone))
                return target.name, error
        self.post_message(ActionFinished(verb, target.id, text, told=alone))
        return None

    def _sum_up(self, verb: str, count: int, failed: list[tuple[str, Exception]]) -> None:
        """What became of several targets, in one line; every failure in a page where there are some."""
        done = f"{count - len(failed)} {done_text(verb)}"
        if not failed:
            self.say(done, "good")
            return
        self.say(f"{done}, {len(failed)} not: {label(str(failed[0][1]))}", "bad")
        self.app.push_screen(several_stories_page(f"{verb}: {done}, {len(failed)} not", failed))

    @on(ActionFinished)
    def _finished(self, event: ActionFinished) -> None:
        if event.told:
            self.say(event.text, "good")
        for table in self.tables.values():
            table.unmark(event.subject)
        self._show_footer()

    @on(ActionRefused)
    def _refused(self, event: ActionRefused) -> None:
        if event.told:
            self.say(event.text, "bad")

    @on(ActionFailed)
    def _failed(self, event: ActionFailed) -> None:
        if event.told:
            self._tell(event.verb, event.error)

    @on(EngineFailed)
    def _engine_failed(self, event: EngineFailed) -> None:
        if self.engine is None:
            self.refusal = f"no engine: {label(str(event.error))}"
            self.tables[keys.CONTAINERS].empty_text = self.refusal
            self.tables[keys.CONTAINERS].refresh()
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
        """The step that failed; what failed before its first step stands alone in the detail."""
        job = self.jobs.get(self.table.cursor_id or "")
        if job is None or job.status != "failed":
            self.say("no step has failed")
            return
        self.enter_detail()
        # where the detail was not in view it is filled presently, and goes to the failing step by itself
        self.detail.build.jump_to_failure()

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
        """Into the main process. Without a tty there are no detach keys, and ctrl-c must not reach it."""
        if target := self._live_target():
            tty = self.containers[target.id].options.tty
            self._lend(
                f"attach to {target.name}",
                *(("attach", target.id) if tty else ("attach", "--sig-proxy=false", target.id)),
                greeting=f"{target.name}: {'ctrl-p ctrl-q' if tty else 'ctrl-c'} leaves it, and it goes on",
                goes_on=target.id,
            )

    def _live_target(self) -> Target | None:
        target = self._target(self.table.cursor_id or "")
        if target is not None and not target.running:
            self.say(f"{target.name} is not running: s starts it", "bad")
            return None
        return target

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
