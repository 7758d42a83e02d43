"""Owns the main screen's lists: layout by size, tabs, cursor, filter, marks; refuses engine calls.

What is shown of the thing under the cursor is added by ``follow``, what can be done to it by ``main``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input

from tuidock import keys
from tuidock.messages import ContainersListed, ImagesListed, JobsListed
from tuidock.rows import CONTAINER_COLUMNS, IMAGE_COLUMNS, JOB_COLUMNS, container_rows, image_rows, job_rows
from tuidock.sanitize import label
from tuidock.screens.welcome import WELCOME_COLUMNS, welcome_rows
from tuidock.widgets.chrome import KeyFooter, StatusLine, TabBar
from tuidock.widgets.detail_pane import DetailPane
from tuidock.widgets.row_table import RowTable

if TYPE_CHECKING:
    from textual import events
    from textual.app import ComposeResult

    from engine.records import Container, Image, Job

WIDE = 120
_TINY_WIDTH, _TINY_HEIGHT = 60, 14
_AGE_SECONDS = 20.0
_JOB_SECONDS = 1.0
_SPEAK_SECONDS = 4.0
_SIDEWAYS = 16
_TABS = (keys.CONTAINERS, keys.IMAGES, keys.BUILDS)


class ListScreen(Screen[None]):
    """Tabs, lists and the detail side, without an engine."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(",".join(action.keys), f"act('{action.id}')", action.label, id=action.id)
        for action in keys.ACTIONS
    ]
    AUTO_FOCUS = "#containers"

    def __init__(self, place: str) -> None:
        super().__init__()
        self.tab_bar = TabBar(place)
        self.footer = KeyFooter()
        self.status = StatusLine()
        self.detail = DetailPane()
        self.tables = {
            keys.CONTAINERS: RowTable(CONTAINER_COLUMNS, empty="opening …", id=keys.CONTAINERS),
            keys.IMAGES: RowTable(
                IMAGE_COLUMNS, empty="no images yet: p pulls one, b builds one", id=keys.IMAGES
            ),
            keys.BUILDS: RowTable(
                JOB_COLUMNS, empty="no builds or other jobs yet: b builds, p pulls", id=keys.BUILDS
            ),
            keys.WELCOME: RowTable(WELCOME_COLUMNS, id=keys.WELCOME),
        }
        self.lists = ContentSwitcher(initial=keys.CONTAINERS, id="lists")
        self.containers: dict[str, Container] = {}
        self.images: dict[str, Image] = {}
        self.jobs: dict[str, Job] = {}
        self.tab = keys.CONTAINERS
        self._listed: set[str] = set()
        self._wanted_row: tuple[str, str] | None = None
        self.offering = False
        """Whether the images to begin with are shown although there are containers."""
        self.taken = 0
        """How many actions were taken: what comes later must not move the cursor from under the next one."""

    def compose(self) -> ComposeResult:
        yield self.tab_bar
        with Horizontal(id="body"):
            with self.lists:
                yield from self.tables.values()
            yield self.detail
        yield Input(id="filter", placeholder="show rows that contain …", compact=True)
        yield self.status
        yield self.footer

    def on_mount(self) -> None:
        self.set_interval(_AGE_SECONDS, self.refresh_rows)
        self.set_interval(_JOB_SECONDS, self._tick_jobs)

    # -- where the user is --------------------------------------------------------------------
    @property
    def place(self) -> str:
        """The tab, or the empty state in place of its list."""
        if self.tab == keys.CONTAINERS and (self.empty or self.offering):
            return keys.WELCOME
        return self.tab

    @property
    def empty(self) -> bool:
        """Whether there is no container at all, as far as is known."""
        return {"containers", "images"} <= self._listed and not self.containers

    @property
    def table(self) -> RowTable:
        """The table of the present place."""
        return self.tables[self.place]

    @property
    def wide(self) -> bool:
        return self.has_class("-wide")

    @property
    def drilled(self) -> bool:
        """Whether the detail has the keyboard: beside the list, or in its place."""
        return self.has_class("-drilled")

    @property
    def detail_visible(self) -> bool:
        return self.place != keys.WELCOME and (self.wide or self.drilled)

    # -- facts from the feed ------------------------------------------------------------------
    @on(ContainersListed)
    def _take_containers(self, event: ContainersListed) -> None:
        self._listed.add("containers")
        self.containers = {container.id: container for container in event.containers}
        self.tables[keys.CONTAINERS].empty_text = "no containers: r runs an image"
        self._show_rows(keys.CONTAINERS)
        self.content_changed(keys.CONTAINERS)

    @on(ImagesListed)
    def _take_images(self, event: ImagesListed) -> None:
        self._listed.add("images")
        self.images = {image.id: image for image in event.images}
        self._show_rows(keys.IMAGES)
        self.content_changed(keys.IMAGES)

    @on(JobsListed)
    def _take_jobs(self, event: JobsListed) -> None:
        for job in event.jobs:
            before = self.jobs.get(job.id)
            if before is not None and before.status == "running" and job.status != "running":
                self._say_end(job)
        self.jobs = {job.id: job for job in event.jobs}
        self._show_rows(keys.BUILDS)
        self.content_changed(keys.BUILDS)

    def refresh_rows(self) -> None:
        """Ages go on; only lines whose text changed are painted."""
        for tab in _TABS:
            self._show_rows(tab)

    def _tick_jobs(self) -> None:
        """How long a running job has taken, while one can be seen."""
        if self.tab == keys.BUILDS and any(job.status == "running" for job in self.jobs.values()):
            self._show_rows(keys.BUILDS)

    def _show_rows(self, tab: str) -> None:
        now, table = time.time_ns(), self.tables[tab]
        if tab == keys.CONTAINERS:
            table.show(container_rows(self.containers.values(), now))
        elif tab == keys.IMAGES:
            table.show(image_rows(self.images.values(), now))
        else:
            table.show(job_rows(self.jobs.values(), now))
        if self.empty or self.offering:
            self.tables[keys.WELCOME].show(welcome_rows(tuple(self.images.values())))
        self._settle()
        if self._wanted_row is not None and self.tables[self._wanted_row[0]].move_to(self._wanted_row[1]):
            self._wanted_row = None

    def _settle(self) -> None:
        """Counts, the empty state and the footer follow from what is known."""
        running = sum(container.state.running for container in self.containers.values())
        jobs = sum(job.status == "running" for job in self.jobs.values())
        self.tab_bar.show(
            active=self.tab,
            containers=f"{running}/{len(self.containers)}" if self.containers else "",
            images=str(len(self.images) or ""),
            builds=f"▶{jobs}" if jobs else str(len(self.jobs) or ""),
        )
        if self.lists.current != self.place:
            had_focus = any(table.has_focus for table in self.tables.values()) or self.focused is None
            self.lists.current = self.place
            self.set_class(self.place == keys.WELCOME, "-welcome")
            if had_focus:
                self.table.focus()
        self._show_footer()

    def _show_footer(self) -> None:
        container = self.containers.get(self.table.cursor_id or "")
        stop = container is not None and container.state.running
        labels = {"toggle": "stop" if stop else "start"}
        if self.place == keys.WELCOME:
            labels["open"] = "run"
        hidden = set() if stop else {"exec", "attach"}
        if not (self.drilled or self.offering or self.table.marks or self.table.filter_text):
            hidden.add("back")
        job = self.jobs.get(self.table.cursor_id or "")
        if job is None or job.status != "running":
            hidden.add("cancel")
        if job is None or job.status != "failed":
            hidden.add("failure")
        if self.table.cursor_id is None:
            hidden.add("push")
        if self.place != keys.CONTAINERS or not self.detail_visible:
            hidden.add("view_next")
        if self.drilled:
            hidden.add("open")
        first = ("back", "view_next") if self.drilled else ()
        self.footer.show(self.place, labels=labels, hidden=frozenset(hidden), first=first)
        marks, gone = len(self.table.marks), len(self.table.hidden_marks)
        marked = f"{marks} marked" + (f" ({gone} hidden)" if gone else "") if marks else ""
        self.status.show_chips(marked, f"/{self.table.filter_text}" if self.table.filter_text else "")

    def content_changed(self, tab: str) -> None:
        """A list was read anew; the detail may have to follow."""

    def subject_changed(self) -> None:
        """Another thing is under the cursor, or the detail came into view."""

    def _say_end(self, job: Job) -> None:
        name = f"{job.verb} {label(job.title)}"
        if job.status == "done":
            self.say(f"{name}: done{'; r runs it' if job.image_id else ''}", "good")
        else:
            self.say(f"{name}: {job.status}{'; f shows where' if job.status == 'failed' else ''}", "bad")

    # -- saying -------------------------------------------------------------------------------
    def say(self, text: str, style: str = "") -> None:
        """One line of news; on a tiny terminal it goes away again."""
        self.status.say(text, style)
        self.add_class("-speaking")
        self.set_timer(_SPEAK_SECONDS, lambda: self.remove_class("-speaking"))

    # -- layout and tabs ----------------------------------------------------------------------
    def on_resize(self, event: events.Resize) -> None:
        width, height = event.size
        self.set_class(width >= WIDE, "-wide")
        self.set_class(width < WIDE, "-narrow")
        self.set_class(width < _TINY_WIDTH or height <= _TINY_HEIGHT, "-tiny")
        self.call_after_refresh(self.subject_changed)

    def choose_tab(self, tab: str) -> None:
        """Go to ``tab``; its list gets the keyboard."""
        self.tab, self.offering = tab, False
        self.leave_detail()
        self._settle()
        self.table.focus()
        self.subject_changed()

    def offer_images(self) -> None:
        """Show the images to begin with in the place of the containers, until Esc or another tab."""
        self.choose_tab(keys.CONTAINERS)
        self.offering = True
        self._show_rows(keys.CONTAINERS)
        self.table.focus()
        self.subject_changed()

    def show_row(self, tab: str, row_id: str, taken: int) -> None:
        """Go to ``tab`` and to ``row_id`` as soon as it is listed, unless the user has gone on since."""
        if taken != self.taken:
            return
        self.choose_tab(tab)
        self._wanted_row = None if self.tables[tab].move_to(row_id) else (tab, row_id)

    @on(TabBar.Chosen)
    def _tab_clicked(self, event: TabBar.Chosen) -> None:
        self.choose_tab(event.tab)

    @on(RowTable.CursorMoved)
    def _cursor_moved(self, event: RowTable.CursorMoved) -> None:
        if event.table is self.table:
            self._show_footer()
            self.subject_changed()

    def enter_detail(self) -> None:
        """The detail gets the keyboard; on a narrow terminal it takes the list's place."""
        self.add_class("-drilled")
        self.subject_changed()
        self.call_after_refresh(self.detail.focus_view)
        self._show_footer()

    def leave_detail(self) -> None:
        if self.drilled:
            self.remove_class("-drilled", "-zoomed")
            self.call_after_refresh(self.table.focus)
            self._show_footer()

    # -- moving, marking, filtering -----------------------------------------------------------
    def do_down(self) -> None:
        self._move(1)

    def do_up(self) -> None:
        self._move(-1)

    def do_top(self) -> None:
        self._move(-1_000_000)

    def do_bottom(self) -> None:
        self._move(1_000_000)

    def do_page_down(self) -> None:
        (self.detail if self.drilled else self.table).move_page(1)

    def do_page_up(self) -> None:
        (self.detail if self.drilled else self.table).move_page(-1)

    def _move(self, by: int) -> None:
        (self.detail if self.drilled else self.table).move(by)

    def do_view_next(self) -> None:
        self.detail.turn(1)
        self.subject_changed()

    def do_view_previous(self) -> None:
        self.detail.turn(-1)
        self.subject_changed()

    def do_left(self) -> None:
        self.detail.shift(-_SIDEWAYS)

    def do_right(self) -> None:
        self.detail.shift(_SIDEWAYS)

    def do_zoom(self) -> None:
        """The detail in place of the list, however wide the terminal is."""
        if self.has_class("-zoomed"):
            self.leave_detail()
        else:
            self.add_class("-zoomed")
            self.enter_detail()

    def do_tab_containers(self) -> None:
        self.choose_tab(keys.CONTAINERS)

    def do_tab_images(self) -> None:
        self.choose_tab(keys.IMAGES)

    def do_tab_builds(self) -> None:
        self.choose_tab(keys.BUILDS)

    def do_tab_next(self) -> None:
        self.choose_tab(_TABS[(_TABS.index(self.tab) + 1) % len(_TABS)])

    def do_tab_previous(self) -> None:
        self.choose_tab(_TABS[(_TABS.index(self.tab) - 1) % len(_TABS)])

    def do_mark(self) -> None:
        self.table.toggle_mark()
        self._show_footer()

    def do_filter(self) -> None:
        """Open the filter's line; what is typed filters at once."""
        # the filter is the list's: it is to be seen
        self.remove_class("-drilled", "-zoomed")
        self.add_class("-filtering")
        field = self.query_one("#filter", Input)
        field.value = self.table.filter_text
        field.focus()

    @on(Input.Changed, "#filter")
    def _filter_typed(self, event: Input.Changed) -> None:
        if self.has_class("-filtering"):
            self.table.set_filter(event.value)
            self._show_footer()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.remove_class("-filtering")
        self.table.focus()

    def do_back(self) -> None:
        """One level back: the filter's line, the detail, the filter, the marks; never further."""
        if self.has_class("-filtering"):
            self.remove_class("-filtering")
            self.table.set_filter("")
            self.table.focus()
        elif self.drilled:
            self.leave_detail()
        elif self.offering:
            self.choose_tab(keys.CONTAINERS)
        elif self.table.filter_text:
            self.table.set_filter("")
        elif self.table.marks:
            self.table.clear_marks()
        self._show_footer()
