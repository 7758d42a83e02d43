"""Builds on images that are not here: pulled for FROM, for COPY --from, for a platform, again with --pull."""

from __future__ import annotations

import pytest

from engine.errors import BuildFailed
from engine.events import LayerProgress
from tests.support.building import open_builder
from tests.support.registry import INDEX, Registry
from tests.support.tars import member

pytestmark = pytest.mark.root

ONE, TWO = (member("one", b"1"),), (member("two", b"2"),)


@pytest.fixture
async def builder(paths):
    async with open_builder(paths) as opened:
        yield opened


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with Registry() as made:
        made.put_image("base", "1", ONE)
        yield made


async def test_a_base_that_is_not_here_is_pulled(builder, registry):
    image = await builder.build(f"FROM {registry.host}/base:1\nLABEL a=b\n")
    assert set(await builder.files(image)) == {"/one"}
    assert [fact.phase for fact in builder.facts if isinstance(fact, LayerProgress)][-1] == "pulled"


async def test_a_base_that_is_here_is_not_asked_for(builder, registry):
    await builder.build(f"FROM {registry.host}/base:1\nLABEL a=b\n")
    registry.requests.clear()
    await builder.build(f"FROM {registry.host}/base:1\nLABEL a=c\n")
    assert registry.requests == []


async def test_a_base_is_brought_up_to_date_where_that_is_asked(builder, registry):
    text = f"FROM {registry.host}/base:1\nLABEL a=b\n"
    await builder.build(text)
    registry.put_image("base", "1", TWO)
    assert set(await builder.files(await builder.build(text))) == {"/one"}
    assert set(await builder.files(await builder.build(text, pull=True))) == {"/two"}


async def test_stages_on_one_base_pull_it_once(builder, registry):
    base = f"{registry.host}/base:1"
    await builder.build(f"FROM {base} AS a\nLABEL a=b\nFROM {base}\nCOPY --from=a /one /copy\n", pull=True)
    assert len(registry.asked("/manifests/1")) == 1


async def test_an_image_to_copy_from_is_pulled(builder, registry):
    image = await builder.build(f"FROM scratch\nCOPY --from={registry.host}/base:1 /one /copy\n")
    assert set(await builder.files(image)) == {"/copy"}


async def test_a_base_is_pulled_by_its_digest(builder, registry):
    digest = registry.put_image("base", "2", TWO)["digest"]
    image = await builder.build(f"FROM {registry.host}/base@{digest}\nLABEL a=b\n")
    assert set(await builder.files(image)) == {"/two"}


async def test_a_base_is_pulled_for_the_platform_of_its_stage(builder, registry):
    images = [
        {**registry.put_image("base", name, layer, architecture=name), "platform": platform}
        for name, layer in (("amd64", ONE), ("arm64", TWO))
        for platform in [{"os": "linux", "architecture": name}]
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": images}
    registry.put_manifest("base", "all", INDEX, index)
    name = f"{registry.host}/base:all"
    image = await builder.build(f"FROM {name}\nLABEL a=b\n", platform="linux/amd64")
    assert set(await builder.files(image)) == {"/one"}
    image = await builder.build(f"FROM --platform=linux/arm64 {name}\nLABEL a=b\n")
    assert set(await builder.files(image)) == {"/two"}


async def test_what_a_registry_does_not_have_fails_the_build_at_its_line(builder, registry):
    name = f"{registry.host}/base:none"
    with pytest.raises(BuildFailed, match=f"Dockerfile:2: FROM {name}: manifest for {name} not found"):
        await builder.build(f"# first\nFROM {name}\n")


async def test_what_cannot_be_copied_from_fails_the_build_at_its_line(builder, registry):
    name = f"{registry.host}/base:none"
    with pytest.raises(BuildFailed, match=f"Dockerfile:2: --from={name}: no stage, and no image: manifest"):
        await builder.build(f"FROM scratch\nCOPY --from={name} /a /b\n")
