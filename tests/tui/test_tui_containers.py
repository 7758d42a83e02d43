from __future__ import annotations

import pytest

from engine.engine import Engine
from engine.options import ContainerFilter, CreateOptions, ImageFilter, RemoveContainerOptions
from engine.paths import Paths
from engine.records import Container, Image
from tests.tui.harness import Tui, open_tui
from tuidock.messages import ActionFailed, ActionFinished, ActionRefused
from tuidock.screens.confirm import ConfirmDialog
from tuidock.screens.forms import RunForm
from tuidock.screens.page import PageScreen
from tuidock.verbs import Target

pytestmark = pytest.mark.root

_WAIT = ("sh", "-c", "echo hello from $0; trap 'exit 0' TERM; while :; do sleep 0.1; done", "waiter")


async def _running(engine: Engine, name: str, *command: str) -> Container:
    options = CreateOptions(image="busybox", name=name, command=command or _WAIT, network="none")
    container = await engine.containers.create(options)
    await engine.containers.start(container.id)
    return container


async def _stopped(engine: Engine, name: str) -> Container:
    return await engine.containers.create(
        CreateOptions(image="busybox", name=name, command=_WAIT, network="none")
    )


async def test_containers_of_other_processes_appear_and_go_by_themselves(
    paths: Paths, engine: Engine, busybox_image: Image
):
    async with open_tui(paths) as tui:
        container = await _running(engine, "web")
        await tui.listed(lambda names: names["web"].state.running if "web" in names else False)
        await tui.shows("● running")
        await engine.containers.remove(container.id, RemoveContainerOptions(force=True))
        await tui.listed(lambda names: "web" not in names)


async def test_s_stops_a_running_container_and_starts_a_stopped_one(
    paths: Paths, engine: Engine, busybox_image: Image
):
    await _running(engine, "web")
    async with open_tui(paths) as tui:
        await tui.press("s")
        await tui.seen(ActionFinished, lambda fact: fact.verb == "stop")
        await tui.listed(lambda names: names["web"].state.status == "exited")
        await tui.press("s")
        await tui.seen(ActionFinished, lambda fact: fact.verb == "start")
        await tui.listed(lambda names: names["web"].state.running)


async def test_a_state_that_changed_since_is_reported_and_not_inverted(
    paths: Paths, engine: Engine, busybox_image: Image
):
    container = await _running(engine, "web")
    async with open_tui(paths) as tui:
        targets = tui.screen._targets()
        await engine.containers.stop(container.id, timeout=1)
        tui.screen._carry_out("stop", targets)
        refused = await tui.seen(ActionRefused)
        assert refused.text == "web is exited now: nothing was done"
        assert not (await engine.containers.get(container.id)).state.running


async def test_remove_asks_first_and_enter_means_no(paths: Paths, engine: Engine, busybox_image: Image):
    container = await _stopped(engine, "web")
    async with open_tui(paths) as tui:
        await tui.press("d")
        assert isinstance(tui.app.screen, ConfirmDialog)
        await tui.press("enter")
        assert not isinstance(tui.app.screen, ConfirmDialog)
        assert (await engine.containers.get(container.id)).name == "web"


async def test_remove_happens_on_y(paths: Paths, engine: Engine, busybox_image: Image):
    await _stopped(engine, "web")
    await _stopped(engine, "db")
    async with open_tui(paths) as tui:
        tui.screen.table.move_to(next(c.id for c in tui.screen.containers.values() if c.name == "web"))
        await tui.press("delete")
        await tui.shows("what it wrote is lost")
        await tui.press("y")
        await tui.listed(lambda names: set(names) == {"db"})


async def test_the_dialog_opens_before_its_preview_and_takes_keys_typed_ahead(
    paths: Paths, engine: Engine, busybox_image: Image
):
    await _running(engine, "web")
    async with open_tui(paths) as tui:
        await tui.burst("d", "s", "R", "2", "q")
        assert tui.app.is_running
        assert tui.screen.tab == "containers"
        assert (await engine.containers.get("web")).state.running
        assert not [fact for fact in tui.facts if isinstance(fact, ActionFinished)]


async def test_keys_typed_ahead_of_a_text_field_go_into_it(
    paths: Paths, engine: Engine, busybox_image: Image
):
    await _running(engine, "web")
    async with open_tui(paths) as tui:
        await tui.burst("slash", "s", "q", "d")
        assert tui.app.is_running
        assert tui.screen.table.filter_text == "sqd"
        assert (await engine.containers.get("web")).state.running


async def test_keys_typed_ahead_of_a_form_go_into_it(paths: Paths, engine: Engine, busybox_image: Image):
    async with open_tui(paths) as tui:
        await tui.burst("b", "ctrl+u", "q", "s", "tab", "ctrl+u", "d")
        assert tui.app.screen.query_one("#folder").value == "qs"  # type: ignore[attr-defined]
        assert tui.app.screen.query_one("#tag").value == "d"  # type: ignore[attr-defined]


async def test_marks_hidden_by_the_filter_are_counted_and_named(
    paths: Paths, engine: Engine, busybox_image: Image
):
    for name in ("apple", "pear"):
        await _stopped(engine, name)
    async with open_tui(paths) as tui:
        await tui.press("g", "space", "g", "j", "space", "slash")
        await tui.type("pear")
        await tui.press("enter")
        await tui.shows("2 marked (1 hidden)")
        await tui.press("d")
        await tui.shows("1 of them hidden by the filter: apple")
        await tui.press("y")
        await tui.listed(lambda names: not names)


async def test_the_log_is_followed(paths: Paths, engine: Engine, busybox_image: Image):
    await _running(engine, "web", "sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done")
    async with open_tui(paths) as tui:
        await tui.shows("line 1")
        await tui.shows("line 8")


async def test_what_a_container_prints_is_harmless(paths: Paths, engine: Engine, busybox_image: Image):
    await _running(engine, "web", "printf", r"[/red]\033[2J\033]0;title\007 \033[31mred\033[0m bell\007\n")
    async with open_tui(paths) as tui:
        await tui.shows("[/red] red bell^G")


async def test_inspect_shows_the_engine_s_document(paths: Paths, engine: Engine, busybox_image: Image):
    container = await _stopped(engine, "web")
    async with open_tui(paths) as tui:
        await tui.press("i")
        await tui.until(lambda: isinstance(tui.app.screen, PageScreen), "the page")
        await tui.shows(container.id)
        await tui.press("escape")
        assert not isinstance(tui.app.screen, PageScreen)


async def test_run_is_prefilled_shows_its_command_and_runs(
    paths: Paths, engine: Engine, busybox_image: Image
):
    async with open_tui(paths) as tui:
        await tui.press("2", "r")
        assert isinstance(tui.app.screen, RunForm)
        await tui.shows("tuidock run -d busybox:latest")
        command = tui.app.screen.query_one("#command")
        command.value = "sleep 600"  # type: ignore[attr-defined]
        tui.app.screen.query_one("#name").value = "sleeper"  # type: ignore[attr-defined]
        tui.app.screen.query_one("#network").value = "none"  # type: ignore[attr-defined]
        await tui.shows("tuidock run -d --name sleeper --network none busybox:latest sleep 600")
        await tui.press("enter")
        await tui.listed(lambda names: "sleeper" in names and names["sleeper"].state.running)
        assert tui.screen.table.cursor_id == next(iter(tui.screen.containers))


async def test_a_container_that_started_does_not_pull_the_user_back(
    paths: Paths, engine: Engine, busybox_image: Image
):
    await _stopped(engine, "web")
    async with open_tui(paths) as tui:
        await tui.press("r")
        await tui.press("enter")
        await tui.press("2")
        await tui.listed(lambda names: len(names) == 2)
        await tui.seen(ActionFinished, lambda fact: fact.verb == "run")
        assert tui.screen.tab == "images"


async def test_a_name_in_use_is_told_clearly(paths: Paths, engine: Engine, busybox_image: Image):
    await _stopped(engine, "web")
    async with open_tui(paths) as tui:
        await tui.press("r")
        tui.app.screen.query_one("#name").value = "web"  # type: ignore[attr-defined]
        await tui.press("enter")
        failed = await tui.seen(ActionFailed)
        assert "web" in str(failed.error)


async def test_restart_gives_the_container_another_process(
    paths: Paths, engine: Engine, busybox_image: Image
):
    await _running(engine, "web")
    before = (await engine.containers.get("web")).state.pid
    async with open_tui(paths) as tui:
        await tui.press("R")
        await tui.seen(ActionFinished, lambda fact: fact.verb == "restart")
        assert (await engine.containers.get("web")).state.pid != before


async def test_esc_never_quits_and_tab_only_moves_the_focus(
    paths: Paths, engine: Engine, busybox_image: Image
):
    await _stopped(engine, "web")
    async with open_tui(paths) as tui:
        await tui.press(
            "escape", "escape", "tab", "tab", "tab", "escape", "ctrl+q", "ctrl+c", "ctrl+d", "ctrl+k"
        )
        assert tui.app.is_running
        assert tui.screen.tab == "containers"
        assert len(tui.app.screen_stack) == 1


async def test_q_quits_and_says_what_goes_on(paths: Paths, engine: Engine, busybox_image: Image):
    await _running(engine, "web")
    async with open_tui(paths) as tui:
        await tui.press("q")
        assert tui.app.return_value == (1, 0)
    assert (await engine.containers.get("web")).state.running


async def test_what_cannot_be_run_comes_back_as_the_form_with_the_reason(
    paths: Paths, engine: Engine, busybox_image: Image
):
    await _stopped(engine, "web")
    async with open_tui(paths) as tui:
        await tui.press("r")
        tui.app.screen.query_one("#name").value = "web"  # type: ignore[attr-defined]
        tui.app.screen.query_one("#env").value = "A='b c'"  # type: ignore[attr-defined]
        tui.app.screen.query_one("#remove").value = True  # type: ignore[attr-defined]
        await tui.press("enter")
        await tui.seen(ActionFailed)
        await tui.until(lambda: isinstance(tui.app.screen, RunForm), "the form")
        await tui.shows("already in use")
        form = tui.app.screen
        assert isinstance(form, RunForm)
        assert (form.text("env"), form.checked("remove")) == ("A='b c'", True)


async def test_a_run_that_cannot_start_leaves_no_container(
    paths: Paths, engine: Engine, busybox_image: Image
):
    async with open_tui(paths) as tui:
        await tui.press("2", "r")
        tui.app.screen.query_one("#command").value = "/nosuch"  # type: ignore[attr-defined]
        await tui.press("enter")
        await tui.seen(ActionFailed)
        await tui.shows("/nosuch")
        assert not await engine.containers.list(ContainerFilter(all=True))


async def test_enter_on_a_tick_goes_and_space_ticks(paths: Paths, engine: Engine, busybox_image: Image):
    async with open_tui(paths) as tui:
        await tui.press("2", "r")
        tui.app.screen.query_one("#command").value = "sleep 600"  # type: ignore[attr-defined]
        tui.app.screen.query_one("#network").value = "none"  # type: ignore[attr-defined]
        tui.app.screen.query_one("#remove").focus()
        await tui.press("space")
        await tui.shows("[x] remove after (--rm)")
        await tui.press("enter")
        await tui.listed(lambda names: [c.options.auto_remove for c in names.values()] == [True])


async def test_several_are_stopped_at_once_and_summed_up(paths: Paths, engine: Engine, busybox_image: Image):
    names = ("web", "db", "mq")
    for name in names:
        await _running(engine, name)
    async with open_tui(paths) as tui:
        await engine.containers.stop("db", timeout=1)
        await tui.listed(lambda by_name: not by_name["db"].state.running)
        targets = tuple(target._replace(running=True) for target in _all_targets(tui))
        tui.screen._carry_out("stop", targets)
        await tui.shows("2 stopped, 1 not")
        await tui.shows("db is exited now: nothing was done")
        assert [(await engine.containers.get(name)).state.running for name in names] == [False] * 3


def _all_targets(tui: Tui) -> tuple[Target, ...]:
    screen = tui.screen
    return tuple(target for row in screen.table.rows if (target := screen._target(row.id)) is not None)


async def test_an_image_in_use_keeps_all_its_names(paths: Paths, engine: Engine, busybox_image: Image):
    await engine.images.tag("busybox", "another:1")
    await _stopped(engine, "web")
    async with open_tui(paths) as tui:
        await tui.press("2", "d")
        await tui.shows("used by 1 container, so it will stay")
        await tui.press("y")
        await tui.seen(ActionFailed)
        names = {name for image in await engine.images.list(ImageFilter()) for name in image.names}
        assert names == {"busybox:latest", "another:1"}


async def test_an_image_s_page_follows_its_names(paths: Paths, engine: Engine, busybox_image: Image):
    async with open_tui(paths) as tui:
        await tui.press("2")
        await tui.shows("LAYERS, newest first")
        await engine.images.tag("busybox", "another:1")
        await tui.shows("name         another:1")


async def test_the_answers_of_a_confirmation_stay_in_view_in_a_small_window(
    paths: Paths, engine: Engine, busybox_image: Image
):
    for number in range(9):
        await _stopped(engine, f"container-{number}")
    async with open_tui(paths, size=(40, 12)) as tui:
        await tui.press("g", *["space"] * 9, "d")
        await tui.shows("remove 9")
        await tui.shows("container-8 (busybox)")
        assert "y yes" in tui.text
        await tui.press("enter")
        assert not isinstance(tui.app.screen, ConfirmDialog)
