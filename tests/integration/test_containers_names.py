from __future__ import annotations

import asyncio
import os

import pytest

from engine.engine import Engine
from engine.errors import Conflict, EngineError, InvalidInput, NotFound
from engine.options import (
    AttachOptions,
    ContainerFilter,
    EventFilter,
    HealthOptions,
    LogOptions,
    PruneOptions,
    RemoveContainerOptions,
    Resources,
    RestartPolicy,
)
from tests.support.containers import run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]


async def test_a_container_is_found_by_name_id_and_prefix(engine):
    container = await engine.containers.create(sh("true", name="web"))
    for reference in ("web", "/web", container.id, container.id[:7]):
        assert (await engine.containers.get(reference)).id == container.id


async def test_an_unknown_container_is_named(engine):
    with pytest.raises(NotFound, match="No such container: nobody"):
        await engine.containers.get("nobody")


async def test_a_name_in_use_is_a_conflict_in_dockers_words(engine):
    container = await engine.containers.create(sh("true", name="web"))
    with pytest.raises(Conflict) as caught:
        await engine.containers.create(sh("true", name="web"))
    assert str(caught.value) == (
        f'Conflict. The container name "/web" is already in use by container "{container.id}".'
    )
    assert len(os.listdir(engine.paths.containers)) == 1


async def test_a_random_name_has_two_words(engine):
    container = await engine.containers.create(sh("true"))
    assert len(container.name.split("_")) == 2


async def test_rename_moves_the_name(engine):
    container = await engine.containers.create(sh("true", name="old"))
    await engine.containers.rename("old", "new")
    assert (await engine.containers.get("new")).id == container.id
    with pytest.raises(NotFound):
        await engine.containers.get("old")
    await engine.containers.create(sh("true", name="old"))
    with pytest.raises(Conflict, match="already in use"):
        await engine.containers.rename("new", "old")


async def test_an_unknown_image_leaves_nothing_behind(engine):
    with pytest.raises(NotFound) as caught:
        await engine.containers.create(sh("true", image="nothing"))
    assert str(caught.value) == "Unable to find image 'nothing:latest' locally"
    assert "tuidock image bootstrap" in caught.value.remedy
    assert "tuidock load" in caught.value.remedy
    assert os.listdir(engine.paths.containers) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "-x"}, "Invalid container name"),
        ({"cap_add": ("FLY",)}, "unknown capability"),
        ({"working_dir": "relative"}, "needs to be an absolute path"),
        ({"stop_signal": "SIGWHAT"}, "Invalid signal"),
        ({"hostname": "a b"}, "invalid hostname"),
        ({"expose": ("99999",)}, "invalid port"),
        ({"resources": Resources(memory=1000)}, "Minimum memory limit"),
        ({"platform": "linux/s390x"}, "does not provide the specified platform"),
        ({"restart": RestartPolicy(name="sometimes")}, "restart policy"),
        ({"health": HealthOptions(test=("CMD", "true"), interval=1e-6)}, "cannot be less than 1ms"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_made(engine, options, words):
    with pytest.raises(EngineError, match=words):
        await engine.containers.create(sh("true", **options))
    assert await engine.containers.list(ContainerFilter(all=True)) == ()
    assert os.listdir(engine.paths.containers) == []


async def test_list_shows_running_ones_and_with_all_every_one(engine):
    stopped = await engine.containers.create(sh("true"))
    running = await started(engine, sh("sleep 60"))
    assert [c.id for c in await engine.containers.list(ContainerFilter())] == [running.id]
    assert [c.id for c in await engine.containers.list(ContainerFilter(all=True))] == [running.id, stopped.id]
    assert [c.id for c in await engine.containers.list(ContainerFilter(limit=1))] == [running.id]


async def test_list_filters_by_status_label_and_ancestor(engine):
    one = await engine.containers.create(sh("true", labels={"tier": "front"}))
    two = await started(engine, sh("sleep 60"))

    async def ids(**filters):
        wanted = ContainerFilter(all=True, filters={key: (value,) for key, value in filters.items()})
        return [container.id for container in await engine.containers.list(wanted)]

    assert await ids(status="created") == [one.id]
    assert await ids(status="running") == [two.id]
    assert await ids(label="tier=front") == [one.id]
    assert await ids(ancestor="busybox") == [two.id, one.id]
    assert await ids(ancestor="none-such") == []
    with pytest.raises(InvalidInput, match="invalid filter 'colour'"):
        await ids(colour="red")


async def test_prune_removes_what_does_not_run(engine):
    stopped = await engine.containers.create(sh("true"))
    running = await started(engine, sh("sleep 60"))
    assert (await engine.containers.prune(PruneOptions())).removed == (stopped.id,)
    assert [c.id for c in await engine.containers.list(ContainerFilter(all=True))] == [running.id]


async def test_two_starts_at_once_have_one_winner(engine):
    container = await engine.containers.create(sh("echo started; sleep 60"))
    others = [await Engine.open(engine.paths) for _ in range(3)]
    try:
        starts = [other.containers.start(container.id) for other in others]
        results = await asyncio.gather(*starts, return_exceptions=True)
        assert all(result is None or isinstance(result, Conflict) for result in results)
        assert None in results
    finally:
        for other in others:
            await other.close()
    await asyncio.sleep(0.1)
    log = [chunk.content async for chunk in engine.containers.logs(container.id, LogOptions())]
    assert log == [b"started\n"]


async def test_two_creates_of_one_name_at_once_have_one_winner(engine):
    others = [await Engine.open(engine.paths) for _ in range(3)]
    try:
        creates = [other.containers.create(sh("true", name="only")) for other in others]
        results = await asyncio.gather(*creates, return_exceptions=True)
    finally:
        for other in others:
            await other.close()
    assert sorted(type(result).__name__ for result in results) == ["Conflict", "Conflict", "Container"]
    assert len(os.listdir(engine.paths.containers)) == 1


async def test_events_tell_a_containers_life(engine):
    assert (await run(engine, sh("exit 4", name="life")))[0] == 4
    container = await engine.containers.get("life")
    await engine.containers.rename("life", "past")
    events = [event async for event in engine.events(EventFilter(follow=False))]
    told = [(event.action, event.attributes["name"]) for event in events if event.id == container.id]
    assert told == [("create", "life"), ("start", "life"), ("die", "life"), ("rename", "past")]


async def test_inspect_has_dockers_members(engine):
    container = await started(engine, sh("sleep 60", name="seen", env=("A=1",), labels={"l": "v"}))
    shown = await engine.containers.inspect("seen")
    assert shown["Id"] == container.id
    assert shown["Name"] == "/seen"
    assert shown["State"]["Status"] == "running"
    assert shown["State"]["Pid"] == container.state.pid
    assert (shown["Path"], shown["Args"]) == ("sh", ["-c", "sleep 60"])
    assert shown["Config"]["Labels"]["l"] == "v"
    assert "A=1" in shown["Config"]["Env"]
    assert shown["HostConfig"]["NetworkMode"] == "none"


async def test_logs_follow_until_the_end_and_keep_the_stream(engine):
    container = await started(engine, sh("for i in 1 2 3; do echo o$i; echo e$i >&2; sleep 0.05; done"))
    chunks = [chunk async for chunk in engine.containers.logs(container.id, LogOptions(follow=True))]
    texts = {
        stream: b"".join(c.content for c in chunks if c.stream == stream) for stream in ("stdout", "stderr")
    }
    assert texts == {"stdout": b"o1\no2\no3\n", "stderr": b"e1\ne2\ne3\n"}


async def test_logs_tail_gives_the_last_lines(engine):
    container = await engine.containers.create(sh("seq 1 1000"))
    await engine.containers.start(container.id)
    await engine.containers.wait(container.id)
    chunks = [c.content async for c in engine.containers.logs(container.id, LogOptions(tail=3))]
    assert b"".join(chunks) == b"998\n999\n1000\n"


async def test_a_remove_right_after_the_end_is_not_refused(engine):
    for _ in range(5):
        container = await engine.containers.create(sh("true"))
        session = await engine.containers.start_attached(container.id, AttachOptions(stdin=False))
        while await session.read() is not None:
            pass
        await engine.containers.remove(container.id, RemoveContainerOptions())


async def test_an_ended_container_can_be_started_again_at_once(engine):
    container = await engine.containers.create(sh("echo x >> /count; exit $(wc -l < /count)"))
    for count in (1, 2, 3):
        session = await engine.containers.start_attached(container.id, AttachOptions(stdin=False))
        assert await session.wait() == count


async def test_two_removes_at_once_remove_it_once(engine):
    container = await started(engine, sh("sleep 60"))
    async with await Engine.open(engine.paths) as other:
        removes = [
            e.containers.remove(container.id, RemoveContainerOptions(force=True)) for e in (engine, other)
        ]
        results = await asyncio.gather(*removes, return_exceptions=True)
    assert all(result is None or isinstance(result, EngineError) for result in results)
    assert None in results
    assert os.listdir(engine.paths.containers) == []
    events = [event async for event in engine.events(EventFilter(follow=False))]
    assert [event.action for event in events].count("destroy") == 1
