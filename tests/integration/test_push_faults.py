"""Pushes and pulls over a bad line to Debian's docker-registry: what it has at last is what was sent."""

from __future__ import annotations

import json
import os

import pytest

from engine.options import BuildOptions, PullOptions, PushOptions, RemoveImageOptions
from tests.support.docker_registry import DockerRegistry, Fault, FaultProxy

pytestmark = pytest.mark.root

LARGER_THAN_A_CHUNK = 33 << 20


@pytest.fixture
def line(tmp_path, monkeypatch):
    """The line to a registry."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    with DockerRegistry(tmp_path / "registry") as registry, FaultProxy(registry.host) as proxy:
        yield proxy


async def built(engine, tmp_path, name, size=200_000):
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY a /a\n")
    (folder / "a").write_bytes(os.urandom(size))
    await engine.builds.build(BuildOptions(context=str(folder), tags=(name,)), lambda _fact: None)
    return await engine.images.get(name)


async def come_and_gone(engine, line, tmp_path, *faults, size=200_000):
    """An image is pushed through ``faults``, forgotten, and pulled: it is the same then."""
    name = f"{line.host}/team/app:1"
    image = await built(engine, tmp_path, name, size)
    line.faults = list(faults)
    await engine.images.push(PushOptions(reference=name), lambda _fact: None)
    assert line.faults == []
    await engine.images.remove(name, RemoveImageOptions(force=True))
    (pulled,) = await engine.images.pull(PullOptions(reference=name), lambda _fact: None)
    assert pulled.image_id == image.id


async def test_a_chunk_that_breaks_off_goes_on(engine, line, tmp_path):
    fault = Fault("PATCH", "/blobs/uploads/", cut=100_000)
    await come_and_gone(engine, line, tmp_path, fault)


async def test_a_later_chunk_that_is_refused_goes_on_where_the_registry_is(engine, line, tmp_path):
    busy = Fault("PATCH", "/blobs/uploads/", answer=(503, {"Retry-After": "0"}))
    # The first chunk's answer is lost: the registry has it, and says so.
    lost = Fault("PATCH", "/blobs/uploads/", lose=True)
    await come_and_gone(engine, line, tmp_path, busy, lost, size=LARGER_THAN_A_CHUNK)
    assert any(spread and not spread.startswith("0-") for _, _, spread in line.seen)


async def test_an_upload_that_has_expired_begins_again(engine, line, tmp_path):
    displaced = Fault("PATCH", "/blobs/uploads/", answer=(416, {}))
    expired = Fault("GET", "/uploads/", answer=(404, {}))
    await come_and_gone(engine, line, tmp_path, displaced, expired)
    begun = [path for method, path, _ in line.seen if method == "POST"]
    assert len(begun) == 3  # of the layer twice, of the config


async def test_the_last_word_of_an_upload_may_be_lost(engine, line, tmp_path):
    await come_and_gone(engine, line, tmp_path, Fault("PUT", "/blobs/uploads/", lose=True))


async def test_a_manifest_is_sent_again(engine, line, tmp_path):
    faults = [
        Fault("PUT", "/manifests/", answer=(429, {"Retry-After": "0"})),
        Fault("PUT", "/manifests/", lose=True),
        Fault("HEAD", "/blobs/", answer=(502, {})),
        Fault("POST", "/blobs/uploads/", lose=True),
    ]
    await come_and_gone(engine, line, tmp_path, *faults)


async def test_documents_that_come_damaged_or_late_are_asked_for_again(engine, line, tmp_path):
    name = f"{line.host}/team/app:1"
    image = await built(engine, tmp_path, name)
    (pushed,) = await engine.images.push(PushOptions(reference=name), lambda _fact: None)
    await engine.images.remove(name, RemoveImageOptions(force=True))
    line.faults = [
        Fault("GET", "/manifests/", corrupt=True),
        Fault("GET", f"/blobs/{image.id}", corrupt=True),
        Fault("GET", f"/blobs/{image.id}", late=True),
    ]
    options = PullOptions(reference=f"{line.host}/team/app@{pushed.digest}")
    (pulled,) = await engine.images.pull(options, lambda _fact: None)
    assert (pulled.image_id, line.faults) == (image.id, [])


async def test_a_mount_that_may_not_be_read_is_sent(engine, line, tmp_path):
    first, second = f"{line.host}/team/app:1", f"{line.host}/team/other:1"
    await built(engine, tmp_path, first)
    await engine.images.push(PushOptions(reference=first), lambda _fact: None)
    await engine.images.tag(first, second)
    line.faults = [Fault("POST", "mount=", answer=(403, {}))]
    assert await engine.images.push(PushOptions(reference=second), lambda _fact: None)
    assert line.faults == []
    assert json.dumps(line.seen).count("mount=") == 1
