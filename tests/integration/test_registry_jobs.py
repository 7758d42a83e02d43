"""Pulls and pushes as jobs: they go on without whoever began them, and what stopped goes on later."""

from __future__ import annotations

import asyncio
import fcntl
import os

import pytest

from engine.errors import NotFound
from engine.events import LayerProgress
from engine.options import PruneOptions, PullOptions
from tests.support.registry import Registry
from tests.support.tars import member

pytestmark = pytest.mark.root

BIG = (member("big", os.urandom(600_000)),)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with Registry() as made:
        made.put_image("team/app", "1", BIG)
        yield made


async def test_a_pull_is_a_job(engine, registry):
    name = f"{registry.host}/team/app:1"
    job = await engine.jobs.start("pull", PullOptions(reference=name), f"pull {name}")
    facts = [fact async for fact in engine.jobs.follow(job.id)]
    ended = await engine.jobs.result(job.id)
    assert (ended.status, ended.error, ended.image_id) == ("done", "", (await engine.images.get(name)).id)
    assert [fact.phase for fact in facts if isinstance(fact, LayerProgress)][-1] == "pulled"


async def test_what_a_registry_refuses_is_the_jobs_result(engine, registry):
    name = f"{registry.host}/team/app:none"
    job = await engine.jobs.start("pull", PullOptions(reference=name), f"pull {name}")
    ended = await engine.jobs.result(job.id)
    assert (ended.status, ended.error) == ("failed", f"manifest for {name} not found: manifest unknown")


async def test_a_cancelled_pull_leaves_no_image_and_what_came_for_the_next(engine, registry):
    registry.cut_after = [300_000] * 50
    name = f"{registry.host}/team/app:1"
    (layer,) = [digest for digest, blob in registry.blobs.items() if len(blob) > 500_000]
    job = await engine.jobs.start("pull", PullOptions(reference=name), f"pull {name}")
    part = engine.paths.download(layer)
    while not (os.path.exists(part) and os.path.getsize(part) >= 300_000):
        await asyncio.sleep(0.01)
    await engine.jobs.cancel(job.id)
    assert (await engine.jobs.get(job.id)).status == "cancelled"
    assert os.path.getsize(part) >= 300_000
    with pytest.raises(NotFound):
        await engine.images.get(name)


async def test_a_prune_takes_what_came_of_a_layer_and_says_how_much_that_was(engine, registry):
    registry.cut_after = [300_000] * 50
    name = f"{registry.host}/team/app:1"
    job = await engine.jobs.start("pull", PullOptions(reference=name), f"pull {name}")
    (layer,) = [digest for digest, blob in registry.blobs.items() if len(blob) > 500_000]
    part = engine.paths.download(layer)
    while not (os.path.exists(part) and os.path.getsize(part) >= 300_000):
        await asyncio.sleep(0.01)
    assert (await engine.images.prune(PruneOptions())).reclaimed == 0  # it is fetched now
    await engine.jobs.cancel(job.id)
    size = os.path.getsize(part)
    assert (await engine.disk_usage()).images_reclaimable == size
    assert (await engine.images.prune(PruneOptions())).reclaimed == size
    assert os.listdir(engine.paths.downloads) == []


async def test_a_lock_that_was_swept_while_it_was_waited_for_is_taken_anew(engine, registry):
    name = f"{registry.host}/team/app:1"
    (layer,) = [digest for digest, blob in registry.blobs.items() if len(blob) > 500_000]
    lock = f"{engine.paths.download(layer)}.lock"
    os.makedirs(engine.paths.downloads)
    with open(lock, "wb") as swept:
        fcntl.flock(swept, fcntl.LOCK_EX)
        pulling = asyncio.ensure_future(engine.images.pull(PullOptions(reference=name), lambda _fact: None))
        while not _waited_for(swept):
            await asyncio.sleep(0.01)
        os.unlink(lock)
        with open(lock, "wb") as anew:
            fcntl.flock(anew, fcntl.LOCK_EX)
            fcntl.flock(swept, fcntl.LOCK_UN)
            while not _waited_for(anew):
                await asyncio.sleep(0.01)
            assert not os.path.exists(engine.paths.download(layer))
    await pulling


def _waited_for(lock):
    """Whether somebody waits for the flock, see proc(5) on /proc/locks."""
    inode = f":{os.fstat(lock.fileno()).st_ino} "
    with open("/proc/locks", encoding="ascii") as file:
        return any("->" in line and inode in line for line in file)
