"""Waiting for ends, several processes at one container, and what the journal says of its life."""

from __future__ import annotations

import asyncio

import pytest

from engine.engine import Engine
from engine.errors import Conflict, InvalidInput, NotFound
from engine.options import EventFilter, ExecOptions, MountSpec, RemoveContainerOptions
from tests.support.containers import sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]

FOREVER = "exec sleep 1000"


async def told(engine, **filters: tuple[str, ...]) -> list[str]:
    past = EventFilter(follow=False, filters=filters)
    return [event.action async for event in engine.events(past)]


async def begun(coroutine) -> asyncio.Task:
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0.05)
    assert not task.done()
    return task


@pytest.mark.parametrize("condition", ["", "not-running"])
async def test_the_code_of_what_does_not_run_is_there_at_once(engine, condition):
    container = await started(engine, sh("exit 5"))
    assert await engine.containers.wait(container.id, condition) == 5
    assert await engine.containers.wait(container.id, condition) == 5


async def test_next_exit_waits_for_a_run_that_has_not_begun(engine):
    container = await started(engine, sh("read x < /code && exit 7; echo 1 > /code; exit 5"))
    assert await engine.containers.wait(container.id) == 5
    async with asyncio.timeout(10):
        waiting = await begun(engine.containers.wait(container.id, "next-exit"))
        await engine.containers.start(container.id)
        assert await waiting == 7


async def test_removed_waits_for_the_removal_and_gives_the_last_code(engine):
    container = await started(engine, sh("exit 5"))
    assert await engine.containers.wait(container.id) == 5
    async with asyncio.timeout(10):
        waiting = await begun(engine.containers.wait(container.id, "removed"))
        await engine.containers.remove(container.id, RemoveContainerOptions())
        assert await waiting == 5


async def test_removed_sees_a_container_with_rm_go(engine):
    container = await started(engine, sh("sleep 0.2; exit 6", auto_remove=True))
    async with asyncio.timeout(10):
        assert await engine.containers.wait(container.id, "removed") == 6


async def test_an_unknown_condition_is_refused(engine):
    container = await engine.containers.create(sh("true"))
    with pytest.raises(InvalidInput, match='invalid condition: "sometime"'):
        await engine.containers.wait(container.id, "sometime")


async def test_a_start_while_another_process_starts_it_is_a_success(engine):
    container = await engine.containers.create(sh(FOREVER))
    async with await Engine.open(engine.paths) as other, await Engine.open(engine.paths) as third:
        await asyncio.gather(*(one.containers.start(container.id) for one in (engine, other, third) * 2))
    assert (await told(engine, container=(container.id,))).count("start") == 1
    assert (await engine.containers.get(container.id)).state.status == "running"


async def test_of_a_start_and_a_removal_one_wins_and_the_other_is_told(engine):
    won = set()
    async with await Engine.open(engine.paths) as other:
        for _ in range(8):
            container = await engine.containers.create(sh(FOREVER))
            results = await asyncio.gather(
                engine.containers.start(container.id),
                other.containers.remove(container.id, RemoveContainerOptions()),
                return_exceptions=True,
            )
            start, removal = results
            if start is None:
                assert isinstance(removal, Conflict)
                assert "container is running" in str(removal)
                assert (await engine.containers.get(container.id)).state.running
                await engine.containers.remove(container.id, RemoveContainerOptions(force=True))
            else:
                assert removal is None
                assert isinstance(start, Conflict | NotFound)
            won.add(start is None)
    assert won


async def test_of_two_removals_one_wins_and_the_other_is_told(engine):
    async with await Engine.open(engine.paths) as other:
        for _ in range(8):
            container = await engine.containers.create(sh("true"))
            results = await asyncio.gather(
                *(one.containers.remove(container.id, RemoveContainerOptions()) for one in (engine, other)),
                return_exceptions=True,
            )
            assert None in results
            assert all(one is None or isinstance(one, Conflict | NotFound) for one in results)


async def test_the_journal_tells_a_containers_life(engine):
    volume = MountSpec(type="volume", source="data", target="/data")
    container = await started(engine, sh(FOREVER, network="bridge", mounts=(volume,)))
    session = await engine.containers.exec(container.id, ExecOptions(command=("sh", "-c", "exit 3")))
    await session.wait()
    await engine.containers.pause(container.id)
    await engine.containers.unpause(container.id)
    await engine.containers.rename(container.id, "renamed")
    await engine.containers.kill(container.id, "TERM")
    await engine.containers.restart(container.id, timeout=0)
    await engine.containers.stop(container.id, timeout=0)
    await engine.containers.remove(container.id, RemoveContainerOptions())
    end, stop = ["kill", "kill", "die", "stop"], ["stop"]
    assert await told(engine, container=(container.id,)) == [
        "create",
        "start",
        "exec_create: sh -c exit 3",
        "exec_start: sh -c exit 3",
        "exec_die",
        "pause",
        "unpause",
        "rename",
        "kill",
        *end,
        "start",
        "restart",
        *end[:-1],
        *stop,
        "destroy",
    ]
    past = EventFilter(follow=False, filters={"event": ("die",)})
    assert {event.attributes["name"] async for event in engine.events(past)} == {"renamed"}
    assert await told(engine, type=("volume",)) == ["create", *["mount", "unmount"] * 2]
    assert await told(engine, type=("network",)) == ["connect", "disconnect"] * 2


async def test_the_events_of_an_exec_session_carry_its_id(engine):
    container = await started(engine, sh(FOREVER))
    await (await engine.containers.exec(container.id, ExecOptions(command=("false",)))).wait()
    past = EventFilter(follow=False, filters={"event": ("exec_create", "exec_start", "exec_die")})
    events = [event async for event in engine.events(past)]
    assert len(events) == 3
    assert len({event.attributes["execID"] for event in events}) == 1
    assert events[-1].attributes["exitCode"] == "1"


async def test_an_end_tells_how_long_it_ran(engine):
    container = await started(engine, sh("sleep 1.1; exit 2"))
    await engine.containers.wait(container.id)
    past = EventFilter(follow=False, filters={"event": ("die",)})
    (attributes,) = [event.attributes async for event in engine.events(past)]
    assert (attributes["execDuration"], attributes["exitCode"]) == ("1", "2")
