"""Digests of repositories, side by side with what Docker does: what a tag named, what holds an image."""

from __future__ import annotations

import pytest

from engine.errors import NotFound, RegistryError
from engine.options import CreateOptions, ImageFilter, PruneOptions, PullOptions, RemoveImageOptions
from tests.support.registry import INDEX, Registry
from tests.support.tars import member

pytestmark = pytest.mark.root

ONE, TWO = (member("etc/one", b"1"),), (member("etc/two", b"2"),)


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with Registry() as made:
        yield made


@pytest.fixture
def box(registry):
    """The repository, in which tag 1 is an index."""
    image = registry.put_image("team/box", "image", ONE)
    entry = {**image, "platform": {"os": "linux", "architecture": "amd64"}}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    registry.index = registry.put_manifest("team/box", "1", INDEX, index)["digest"]
    return f"{registry.host}/team/box"


async def pull(engine, name, **options):
    (pulled,) = await engine.images.pull(PullOptions(reference=name, **options), lambda _fact: None)
    return pulled


async def test_an_image_has_the_digest_of_what_its_tag_named(engine, registry, box):
    pulled = await pull(engine, f"{box}:1")
    document = await engine.images.inspect(f"{box}:1")
    assert pulled.digest == registry.index
    assert document["RepoDigests"] == [f"{box}@{registry.index}"]


async def test_what_is_pulled_by_its_digest_has_no_tag_and_is_found_by_it(engine, registry, box):
    name = f"{box}@{registry.index}"
    pulled = await pull(engine, name)
    image = await engine.images.get(name)
    assert (image.id, image.names, image.digests) == (pulled.image_id, (), (name,))


async def test_a_tag_beside_a_digest_is_not_looked_at(engine, registry, box):
    await pull(engine, f"{box}:other@{registry.index}")
    (image,) = await engine.images.list(ImageFilter())
    assert (image.names, image.digests) == ((), (f"{box}@{registry.index}",))


async def test_a_digest_of_other_bytes_is_refused(engine, registry, box):
    wrong = f"sha256:{1:064}"
    registry.manifests["team/box", wrong] = registry.manifests["team/box", "1"]
    with pytest.raises(RegistryError, match="does not have the digest"):
        await pull(engine, f"{box}@{wrong}")
    assert await engine.images.list(ImageFilter()) == ()


async def test_containers_and_tags_are_made_of_a_digest(engine, registry, box):
    name = f"{box}@{registry.index}"
    await pull(engine, name)
    container = await engine.containers.create(CreateOptions(image=name))
    assert container.image == name
    await engine.images.tag(name, "box:mine")
    assert (await engine.images.get("box:mine")).digests == (name,)


async def test_a_tag_that_moves_on_leaves_the_older_image_its_digest(engine, registry, box):
    old = await pull(engine, f"{box}:1")
    registry.put_image("team/box", "1", TWO)
    new = await pull(engine, f"{box}:1")
    assert (await engine.images.get(f"{box}:1")).id == new.image_id
    assert (await engine.images.get(f"{box}@{old.digest}")).id == old.image_id


async def test_a_digest_means_the_image_of_the_platform_that_was_pulled_last(engine, registry, box):
    images = [
        {**registry.put_image("team/box", name, layer, architecture=name), "platform": platform}
        for name, layer in (("amd64", ONE), ("arm64", TWO))
        for platform in [{"os": "linux", "architecture": name}]
    ]
    registry.put_manifest(
        "team/box", "2", INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": images}
    )
    await pull(engine, f"{box}:2", platform="linux/amd64")
    pulled = await pull(engine, f"{box}:2", platform="linux/arm64")
    assert (await engine.images.get(f"{box}@{pulled.digest}")).architecture == "arm64"


async def test_the_last_tag_takes_the_digest_and_the_image_along(engine, registry, box):
    pulled = await pull(engine, f"{box}:1")
    removed = await engine.images.remove(f"{box}:1", RemoveImageOptions())
    assert removed.untagged == (f"{box}:1", f"{box}@{registry.index}")
    assert removed.deleted[0] == pulled.image_id


async def test_an_image_of_a_digest_alone_is_removed_by_it(engine, registry, box):
    name = f"{box}@{registry.index}"
    await pull(engine, name)
    assert (await engine.images.remove(name, RemoveImageOptions())).untagged == (name,)
    with pytest.raises(NotFound, match=f"No such image: {name}"):
        await engine.images.get(name)


async def test_a_prune_takes_what_has_a_digest_alone(engine, registry, box):
    name = f"{box}@{registry.index}"
    await pull(engine, name)
    assert f"untagged: {name}" in (await engine.images.prune(PruneOptions())).removed
