from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import msgspec
import pytest

from engine.errors import Conflict, InvalidInput, NotFound
from engine.events import BuildFinished, ImageStored, StepOutput, StepStarted
from engine.options import BootstrapOptions, BuildOptions, EventFilter, LoadOptions, PruneOptions
from engine.records import Job
from engine.store.job_records import JobFolder, JobRequest

pytestmark = pytest.mark.root

HELLO = BootstrapOptions(name="hello-world")


def a_build(folder: str, *instructions: str) -> BuildOptions:
    with open(f"{folder}/Dockerfile", "w", encoding="utf-8") as file:
        file.write("\n".join(("FROM busybox", *instructions, "")))
    return BuildOptions(context=folder, tags=("made",), network="none")


async def until_running_step(engine, job: Job) -> None:
    async for fact in engine.jobs.follow(job.id):
        if isinstance(fact, StepOutput) and b"started" in fact.content:
            return
    raise AssertionError((await engine.jobs.get(job.id)).error)


@pytest.fixture
async def sleeper(engine, busybox_image, tmp_path) -> Job:
    """A job that is in the middle of a build step which would take a minute."""
    job = await engine.jobs.start("build", a_build(str(tmp_path), "RUN echo started; sleep 60"), "build .")
    await until_running_step(engine, job)
    return job


async def test_a_job_does_its_work_and_says_what_came_out(engine):
    started = await engine.jobs.start("bootstrap", HELLO, "bootstrap hello-world")
    ended = await engine.jobs.result(started.id)
    assert (ended.status, ended.error) == ("done", "")
    assert ended.image_id == (await engine.images.get("hello-world")).id


async def test_its_facts_can_be_followed_from_the_start_to_the_end(engine):
    job = await engine.jobs.start("bootstrap", HELLO, "bootstrap hello-world")
    facts = [fact async for fact in engine.jobs.follow(job.id)]
    assert any(isinstance(fact, ImageStored) for fact in facts)
    assert [fact async for fact in engine.jobs.follow(job.id)] == facts


async def test_a_build_is_followed_step_by_step(engine, busybox_image, tmp_path):
    job = await engine.jobs.start("build", a_build(str(tmp_path), "RUN echo of the step"), "build .")
    facts = [fact async for fact in engine.jobs.follow(job.id)]
    kinds = [type(fact) for fact in facts]
    assert kinds.index(StepStarted) < kinds.index(StepOutput) < kinds.index(BuildFinished)
    assert b"of the step" in b"".join(fact.content for fact in facts if isinstance(fact, StepOutput))


async def test_a_relative_folder_is_the_callers(engine, busybox_image, tmp_path, monkeypatch):
    options = a_build(str(tmp_path), "CMD true")
    monkeypatch.chdir(tmp_path)
    job = await engine.jobs.start("build", msgspec.structs.replace(options, context="."), "build .")
    assert (await engine.jobs.result(job.id)).error == ""


async def test_a_failure_is_the_jobs_result(engine):
    job = await engine.jobs.start("load", LoadOptions(path="/nowhere/archive.tar"), "load archive.tar")
    ended = await engine.jobs.result(job.id)
    assert ended.status == "failed"
    assert "/nowhere/archive.tar" in ended.error


async def test_a_cancelled_job_cleans_up(engine, sleeper):
    begin = time.monotonic()
    await engine.jobs.cancel(sleeper.id)
    assert (await engine.jobs.get(sleeper.id)).status == "cancelled"
    assert time.monotonic() - begin < 5
    with pytest.raises(NotFound):
        await engine.images.get("made")


async def test_a_killed_job_is_failed_and_its_followers_end(engine, paths, sleeper):
    process = JobFolder(paths.job(sleeper.id)).process()
    waiting = asyncio.ensure_future(engine.jobs.result(sleeper.id))
    await asyncio.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    ended = await asyncio.wait_for(waiting, 5)
    assert (ended.status, ended.error.split(":")[0]) == ("failed", "interrupted")


async def test_a_job_outlives_who_started_it(engine, paths, busybox_image, tmp_path):
    options = a_build(str(tmp_path), "RUN sleep 1; echo late > /late")
    code = (
        "import asyncio, os, signal, sys, msgspec\n"
        "from engine.engine import Engine; from engine.paths import Paths; from engine.options import BuildOptions\n"
        "async def main():\n"
        "    engine = await Engine.open(Paths(root=sys.argv[1], run=sys.argv[2]))\n"
        "    options = msgspec.json.decode(sys.argv[3], type=BuildOptions)\n"
        "    print((await engine.jobs.start('build', options, 'build .')).id, flush=True)\n"
        "    os.killpg(0, signal.SIGKILL)\n"
        "asyncio.run(main())"
    )
    starter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, paths.root, paths.run, msgspec.json.encode(options).decode()),
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    output, _ = await starter.communicate()
    assert starter.returncode == -signal.SIGKILL
    ended = await engine.jobs.result(output.decode().strip())
    assert (ended.status, ended.error) == ("done", "")


async def test_a_running_job_is_not_removed(engine, sleeper):
    with pytest.raises(Conflict, match="is running"):
        await engine.jobs.remove(sleeper.id)
    await engine.jobs.cancel(sleeper.id)
    await engine.jobs.remove(sleeper.id)
    assert await engine.jobs.list() == ()


async def test_an_ended_job_cannot_be_cancelled(engine):
    job = await engine.jobs.start("bootstrap", HELLO, "t")
    await engine.jobs.result(job.id)
    with pytest.raises(Conflict, match="it is done"):
        await engine.jobs.cancel(job.id)


async def test_start_and_end_are_events(engine):
    since = time.time_ns()
    job = await engine.jobs.start("bootstrap", HELLO, "t")
    await engine.jobs.result(job.id)
    wanted = EventFilter(since=since, filters={"type": ("job",)})
    events = engine.events(wanted)
    first, second = await anext(events), await asyncio.wait_for(anext(events), 5)
    assert [(event.id, event.action) for event in (first, second)] == [(job.id, "start"), (job.id, "done")]
    await events.aclose()


async def test_a_prune_reports_what_it_did(engine):
    job = await engine.jobs.start("prune", PruneOptions(all=True), "prune")
    assert (await engine.jobs.result(job.id)).error == ""


async def test_the_oldest_ended_jobs_are_forgotten(engine, paths):
    for number in range(60):
        request = JobRequest(
            id=f"{number:012d}", verb="prune", title="", started_at=number, options=msgspec.Raw(b"{}")
        )
        JobFolder(paths.job(request.id)).create(request)
    job = await engine.jobs.start("bootstrap", HELLO, "t")
    await engine.jobs.result(job.id)
    jobs = await engine.jobs.list()
    assert (len(jobs), jobs[0].id, jobs[1].started_at, jobs[-1].started_at) == (50, job.id, 59, 11)


async def test_a_job_is_named_by_the_beginning_of_its_id(engine):
    job = await engine.jobs.start("bootstrap", HELLO, "t")
    assert (await engine.jobs.get(job.id[:6])).id == job.id
    await engine.jobs.result(job.id)


async def test_an_unknown_job_is_not_found(engine):
    with pytest.raises(NotFound, match="No such job: nothing"):
        await engine.jobs.get("nothing")


async def test_a_stream_of_the_caller_is_refused(engine):
    with pytest.raises(InvalidInput, match="stream"):
        await engine.jobs.start("load", LoadOptions(fd=0), "load")


async def test_options_of_another_verb_are_refused(engine):
    with pytest.raises(InvalidInput):
        await engine.jobs.start("build", PruneOptions(), "build")


async def test_the_inside_of_a_job_is_no_command():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "engine", stderr=asyncio.subprocess.PIPE
    )
    _, message = await process.communicate()
    assert (process.returncode, message.count(b"\n")) == (2, 1)
