from __future__ import annotations

import os

import pytest

from engine.options import (
    BootstrapOptions,
    CommitOptions,
    CreateNetworkOptions,
    MountSpec,
    PruneOptions,
    RemoveContainerOptions,
)
from tests.support.containers import run, sh, started

pytestmark = [pytest.mark.root, pytest.mark.usefixtures("busybox_image")]
_MEGABYTE = 1 << 20


def content_of(folder: str) -> int:
    """The bytes in the files below a folder, each file once."""
    seen = {}
    for parent, _folders, files in os.walk(folder):
        for name in files:
            status = os.lstat(f"{parent}/{name}")
            seen[status.st_ino] = status.st_size if not os.path.islink(f"{parent}/{name}") else 0
    return sum(seen.values())


async def written(engine, name: str, megabytes: int, **options: object) -> None:
    """A container that has ended and wrote so much to /out."""
    container = await started(
        engine, sh(f"dd if=/dev/zero of=/out bs=1M count={megabytes} 2>/dev/null", name=name, **options)
    )
    assert await engine.containers.wait(container.id) == 0


async def test_what_is_told_is_what_the_disk_holds(engine):
    await written(engine, "box", 3, mounts=(MountSpec(type="volume", source="vol", target="/v"),))
    with open(f"{(await engine.volumes.get('vol')).mountpoint}/file", "wb") as file:
        file.write(bytes(12345))
    found = await engine.disk_usage()
    assert found.images_size == content_of(engine.paths.layers) + content_of(engine.paths.blobs)
    assert [each.size for each in found.containers] == [content_of(engine.paths.containers)]
    assert [(each.volume.name, each.links, each.size) for each in found.volumes] == [("vol", 1, 12345)]
    assert await engine.container_sizes([found.containers[0].container.id]) == (3 * _MEGABYTE,)


async def test_a_prune_of_containers_frees_what_was_told(engine):
    await written(engine, "box", 2)
    await started(engine, sh("sleep 1000", name="alive"))
    found = await engine.disk_usage()
    before = content_of(engine.paths.containers)
    freed = (await engine.containers.prune(PruneOptions())).reclaimed
    (spare,) = [each.size for each in found.containers if not each.container.state.running]
    assert freed == spare >= 2 * _MEGABYTE
    assert before - content_of(engine.paths.containers) >= freed


async def test_a_prune_of_images_frees_what_was_told(engine):
    await written(engine, "box", 2)
    await engine.containers.commit("box", CommitOptions(reference="used"))
    await written(engine, "other", 1, image="used")
    await engine.containers.commit("other", CommitOptions(reference="spare"))
    for name in ("box", "other"):
        await engine.containers.remove(name, RemoveContainerOptions())
    await engine.images.bootstrap(BootstrapOptions(name="hello-world"), lambda _fact: None)
    await engine.containers.create(sh("true", image="used"))
    found = await engine.disk_usage()
    shares = {each.image.names[0]: (each.shared, each.unique) for each in found.images}
    assert shares["spare:latest"][1] == _MEGABYTE
    assert shares["used:latest"][1] == 0
    before = content_of(engine.paths.layers) + content_of(engine.paths.blobs)
    freed = (await engine.images.prune(PruneOptions(all=True))).reclaimed
    assert freed == found.images_reclaimable >= _MEGABYTE
    assert before - content_of(engine.paths.layers) - content_of(engine.paths.blobs) == freed
    assert (await engine.disk_usage()).images_reclaimable == 0


async def test_a_prune_of_volumes_frees_what_was_told(engine):
    mounts = (MountSpec(type="volume", target="/v"),)
    container = await started(engine, sh("echo 12345 > /v/f", mounts=mounts))
    await engine.containers.wait(container.id)
    assert (await engine.volumes.prune(PruneOptions())).removed == ()
    await engine.containers.remove(container.id, RemoveContainerOptions())
    found = await engine.disk_usage()
    pruned = await engine.volumes.prune(PruneOptions())
    assert (pruned.reclaimed, len(pruned.removed)) == (6, 1)
    assert [(each.links, each.size) for each in found.volumes] == [(0, 6)]


async def test_a_prune_of_networks_leaves_those_in_use(engine):
    for name, labels in (("used", {}), ("kept", {"keep": "1"}), ("spare", {})):
        await engine.networks.create(CreateNetworkOptions(name=name, labels=labels))
    await started(engine, sh("sleep 1000", network="used"))
    pruned = await engine.prune_networks(PruneOptions(filters={"label!": ("keep",)}))
    assert pruned.removed == ("spare",)
    assert {"used", "kept", "bridge"} <= {network.name for network in await engine.networks.list()}


async def test_an_image_without_containers_is_not_active(engine):
    assert (await run(engine, sh("true", auto_remove=True)))[0] == 0
    found = await engine.disk_usage()
    assert [each.image.containers for each in found.images] == [0]
    assert found.images_reclaimable == found.images_size
