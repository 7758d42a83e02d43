"""Pulls and pushes as jobs: they go on without whoever began them, and what stopped goes on later."""

from __future__ import annotations

import asyncio
import os

import pytest

from engine.errors import NotFound
from engine.events import LayerProgress
from engine.options import PullOptions
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
