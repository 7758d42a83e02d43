from __future__ import annotations

import asyncio
import os

import pytest

from engine.errors import InvalidInput
from engine.options import ContainerFilter, EventFilter, ExecOptions, HealthOptions, LogOptions, RestartPolicy
from engine.shim.lock import lock_holder
from tests.support.containers import sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]

FOREVER = "exec sleep 1000"


def check(test: str, **fields) -> HealthOptions:
    return HealthOptions(test=("CMD-SHELL", test), **{"interval": 0.05, "retries": 2, **fields})


async def health(engine, container, wanted=lambda _health: True):
    """The health of the container, once it is as ``wanted``."""
    async with asyncio.timeout(10):
        while not wanted(now := (await engine.containers.get(container.id)).state.health):
            await asyncio.sleep(0.01)
    return now


async def events(engine, container, *actions: str):
    past = EventFilter(follow=False, filters={"container": (container.id,), "event": actions})
    return [event async for event in engine.events(past)]


async def test_it_goes_from_starting_to_unhealthy_to_healthy(engine):
    container = await started(engine, sh(FOREVER, health=check("echo look; test -e /ok")))
    assert (await health(engine, container)).status == "starting"
    sick = await health(engine, container, lambda now: now.status == "unhealthy")
    assert sick.failing_streak >= 2
    await (await engine.containers.exec(container.id, ExecOptions(command=("touch", "/ok")))).wait()
    well = await health(engine, container, lambda now: now.status == "healthy")
    assert (well.failing_streak, well.log[-1].exit_code, well.log[-1].output) == (0, 0, "look\n")
    assert all(one.start < one.end for one in well.log)
    async with asyncio.timeout(10):  # the fact comes before the news
        while len(told := await events(engine, container, "health_status")) < 2:
            await asyncio.sleep(0.01)
    assert [event.action for event in told] == ["health_status: unhealthy", "health_status: healthy"]


async def test_a_check_is_told_of_as_an_exec_session(engine):
    container = await started(engine, sh(FOREVER, health=check("exit 3")))
    await health(engine, container, lambda now: len(now.log) > 1)
    told = (await events(engine, container, "exec_create", "exec_start", "exec_die"))[:3]
    command = "/bin/sh -c exit 3"
    assert [one.action for one in told] == [f"exec_create: {command}", f"exec_start: {command}", "exec_die"]
    assert len({one.attributes["execID"] for one in told}) == 1
    assert told[2].attributes["exitCode"] == "3"


async def test_it_runs_in_the_container_as_its_user(engine):
    options = {"user": "7", "env": ("COLOUR=blue",), "working_dir": "/etc"}
    container = await started(
        engine, sh(FOREVER, health=check("id -u; echo $COLOUR; pwd; cat /proc/1/comm"), **options)
    )
    first = (await health(engine, container, lambda now: now.log)).log[0]
    assert first.output.split() == ["7", "blue", "/etc", "sleep"]


async def test_a_check_that_takes_too_long_is_killed_and_has_failed(engine):
    wanted = check("echo begun; exec sleep 1234", timeout=0.2, retries=1)
    container = await started(engine, sh(FOREVER, health=wanted))
    sick = await health(engine, container, lambda now: now.log)
    assert (sick.status, sick.log[0].exit_code) == ("unhealthy", -1)
    assert sick.log[0].output == "Health check exceeded timeout (200ms): begun\n"
    async with asyncio.timeout(5):
        while b"1234" in await ps(engine, container) and len((await health(engine, container)).log) < 3:
            await asyncio.sleep(0.01)


async def ps(engine, container) -> bytes:
    session = await engine.containers.exec(container.id, ExecOptions(command=("ps",)))
    shown = b""
    while (chunk := await session.read()) is not None:
        shown += chunk[1]
    return shown


async def test_a_command_that_is_not_there_is_a_failure_with_the_reason(engine):
    wanted = HealthOptions(test=("CMD", "/nowhere"), interval=0.05, retries=1)
    container = await started(engine, sh(FOREVER, health=wanted))
    result = (await health(engine, container, lambda now: now.log)).log[0]
    assert result.exit_code == -1
    assert "/nowhere" in result.output
    assert "no such file or directory" in result.output


async def test_failures_in_the_start_period_are_no_failures(engine):
    wanted = check("exit 1", interval=1000, start_period=1000, start_interval=0.05, retries=1)
    container = await started(engine, sh(FOREVER, health=wanted))
    young = await health(engine, container, lambda now: len(now.log) == 3)
    assert (young.status, young.failing_streak) == ("starting", 0)


async def test_a_paused_container_is_not_checked(engine):
    container = await started(engine, sh(FOREVER, health=check("true")))
    await health(engine, container, lambda now: now.status == "healthy")
    await engine.containers.pause(container.id)
    before = await health(engine, container)
    assert before.status == "unhealthy"  # as Docker: nobody knows
    await asyncio.sleep(0.2)
    assert await health(engine, container) == before
    await engine.containers.unpause(container.id)
    assert (await health(engine, container, lambda now: now.status == "healthy")).log[-1] != before.log[-1]


async def test_a_container_is_paused_and_goes_on_also_amid_a_check(engine):
    container = await started(engine, sh(FOREVER, health=check("touch /begun; sleep 1000", timeout=1000)))
    looks = ExecOptions(command=("sh", "-c", "until test -e /begun; do sleep 0.01; done"))
    await (await engine.containers.exec(container.id, looks)).wait()
    async with asyncio.timeout(20):  # a frozen check dies only when it is thawed
        await engine.containers.pause(container.id)
        assert (await engine.containers.get(container.id)).state.status == "paused"
        await engine.containers.unpause(container.id)
        await engine.containers.stop(container.id, timeout=0)


async def test_a_stopped_container_keeps_its_results_and_starts_anew(engine):
    container = await started(engine, sh(FOREVER, health=check("exit 1")))
    await health(engine, container, lambda now: now.status == "unhealthy")
    await engine.containers.stop(container.id, timeout=0)
    over = await health(engine, container)
    assert (over.status, over.log[-1].exit_code) == ("unhealthy", 1)
    shown = (await engine.containers.inspect(container.id))["State"]["Health"]
    assert set(shown["Log"][0]) == {"Start", "End", "ExitCode", "Output"}


async def test_the_next_run_begins_as_starting_with_the_results_of_before(engine):
    wanted = check("test -e /ok", interval=0.2)
    script = "touch /ok; sleep 0.5; rm /ok; exit 1"
    container = await started(engine, sh(script, health=wanted, restart=RestartPolicy(name="always")))
    await health(engine, container, lambda now: now.status == "healthy")
    again = await health(engine, container, lambda now: now.status == "starting")
    assert again.log


async def test_the_filter_finds_by_health(engine):
    sick = await started(engine, sh(FOREVER, health=check("exit 1", retries=1)))
    well = await started(engine, sh(FOREVER, health=check("true")))
    none = await started(engine, sh(FOREVER))
    await health(engine, sick, lambda now: now.status == "unhealthy")
    await health(engine, well, lambda now: now.status == "healthy")
    for text, wanted in (("unhealthy", sick), ("healthy", well), ("none", none)):
        found = await engine.containers.list(ContainerFilter(filters={"health": (text,)}))
        assert [one.id for one in found] == [wanted.id]


async def test_without_a_check_there_is_no_health(engine):
    container = await started(engine, sh(FOREVER, health=HealthOptions(test=("NONE",))))
    assert (await engine.containers.get(container.id)).state.health is None


async def test_checks_leave_no_descriptor_and_no_zombie_in_the_supervisor(engine):
    container = await started(engine, sh(FOREVER, health=check("true", interval=0.02)))
    supervisor = lock_holder(engine.paths.container_lock(container.id))
    await health(engine, container, lambda now: len(now.log) > 1)
    least = min([_descriptors(supervisor) for _ in range(50)])
    last = (await health(engine, container)).log[-1].start
    await health(engine, container, lambda now: now.log[0].start > last)
    assert min([_descriptors(supervisor) for _ in range(50)]) <= least
    assert len(_children(supervisor)) <= 2  # its init, and a check that runs now


def _descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _children(pid: int) -> list[str]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return file.read().split()


async def test_its_output_is_not_the_containers(engine):
    container = await started(engine, sh(FOREVER, health=check("echo secret")))
    await health(engine, container, lambda now: now.log)
    assert [chunk async for chunk in engine.containers.logs(container.id, LogOptions())] == []


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("interval", "Interval in Healthcheck cannot be less than 1ms"),
        ("timeout", "Timeout in Healthcheck cannot be less than 1ms"),
        ("start_period", "StartPeriod in Healthcheck cannot be less than 1ms"),
        ("start_interval", "StartInterval in Healthcheck cannot be less than 1ms"),
        ("retries", "Retries in Healthcheck cannot be negative"),
    ],
)
async def test_what_docker_refuses_is_refused(engine, field, words):
    value = -1 if field == "retries" else 1e-6
    with pytest.raises(InvalidInput, match=words):
        await engine.containers.create(
            sh("true", health=HealthOptions(test=("CMD", "true"), **{field: value}))
        )
