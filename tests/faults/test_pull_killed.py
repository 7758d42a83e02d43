"""Pulls and pushes that are ended at any moment, bombs, and a full disk: nothing half-made, and it goes on."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import subprocess
import time

import pytest
import zstandard

from engine.engine import Engine
from engine.errors import InvalidArchive, StoreFailure
from engine.options import ImageFilter, PullOptions
from engine.paths import Paths
from tests.support.command_line import CommandLine
from tests.support.registry import MANIFEST, Registry
from tests.support.tars import member

pytestmark = pytest.mark.root

MIB = 1 << 20


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    with Registry() as made:
        made.put_image("team/app", "1", (member("big", os.urandom(600_000)),), (member("two", b"2"),))
        yield made


@pytest.fixture
def small_disk(short_folder):
    """The paths of a root on 24 MiB."""
    folder = f"{short_folder}/small"
    os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=True)
    yield Paths(root=f"{folder}/root", run=f"{short_folder}/run")
    subprocess.run(["umount", folder], check=True)


async def pull(paths, registry, tag="1"):
    async with await Engine.open(paths) as engine:
        options = PullOptions(reference=f"{registry.host}/team/app:{tag}")
        await engine.images.pull(options, lambda _fact: None)


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_a_pull_that_is_ended_goes_on_with_the_next(paths, registry, number):
    digest = json.loads(registry.manifests["team/app", "1"][1])["layers"][0]["digest"]
    part = paths.download(digest)
    registry.cut_after = [300_000] * 100
    tuidock = CommandLine(paths)
    command = tuidock.argv("pull", f"{registry.host}/team/app:1")
    with subprocess.Popen(command, env=tuidock.environ, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: os.path.exists(part) and os.path.getsize(part) >= 300_000)
        process.send_signal(number)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    registry.cut_after = []
    registry.requests.clear()
    async with await Engine.open(paths) as engine:
        assert await engine.images.list(ImageFilter(all=True)) == ()
    await pull(paths, registry)
    (asked,) = registry.asked(digest)
    assert int(asked["Range"].removeprefix("bytes=").rstrip("-")) >= 300_000
    assert os.listdir(paths.staging) == []


def bomb(registry, tag, pack, size):
    """An image whose one layer holds ``size`` bytes of zeros in one file."""
    info, _ = member("zeros", b"")
    info.size = size
    plain = info.tobuf() + bytes(size) + bytes(1024)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers"}}
    config["rootfs"]["diff_ids"] = [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
    described = registry.put_blob(json.dumps(config).encode())
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", **registry.put_blob(pack(plain))}
    kind = "application/vnd.oci.image.config.v1+json"
    content = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"mediaType": kind, **described}}
    registry.put_manifest("team/app", tag, MANIFEST, {**content, "layers": [layer]})


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
async def test_a_bomb_ends_with_the_disk_and_leaves_it_as_it_was(small_disk, registry, pack):
    bomb(registry, "bomb", pack, 200 * MIB)
    with pytest.raises(StoreFailure, match="No space left on device") as caught:
        await pull(small_disk, registry, "bomb")
    assert "image prune" in caught.value.remedy
    await pull(small_disk, registry)
    assert os.listdir(small_disk.staging) == []


async def test_a_frame_that_wants_gigabytes_of_memory_is_refused(paths, registry):
    parameters = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
    pack = zstandard.ZstdCompressor(compression_params=parameters)

    def packed(plain):
        stream = pack.compressobj()
        return stream.compress(plain) + stream.flush()

    bomb(registry, "bomb", packed, MIB)
    with pytest.raises(InvalidArchive, match="zstd data is corrupt"):
        await pull(paths, registry, "bomb")


async def test_what_cannot_fit_is_refused_before_it_is_fetched(small_disk, registry):
    found = json.loads(registry.manifests["team/app", "1"][1])
    found["layers"][0]["size"] = 100 * MIB
    registry.put_manifest("team/app", "huge", MANIFEST, found)
    with pytest.raises(StoreFailure, match="No space left on device"):
        await pull(small_disk, registry, "huge")
    assert registry.asked(found["layers"][0]["digest"]) == []
