"""Images from registries: real HTTP, a real store, and every fault that a line to a registry has."""

from __future__ import annotations

import asyncio
import base64
import json
import os

import pytest

from engine.errors import InvalidArchive, NotFound, RegistryError
from engine.events import Message
from engine.options import ImageFilter, LoginOptions, PullOptions
from tests.support.registry import INDEX, Registry
from tests.support.tars import listing, member

pytestmark = pytest.mark.root

BOTTOM = (member("etc"), member("etc/one", b"1"), member("big", os.urandom(600_000)))
TOP = (member("etc/two", b"2"), member("etc/.wh.one", b""))


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with Registry() as made:
        made.put_image("team/app", "1", BOTTOM, TOP)
        yield made


async def pull(engine, registry, name="team/app:1", progress=lambda _fact: None, **options):
    return await engine.images.pull(PullOptions(reference=f"{registry.host}/{name}", **options), progress)


def layer(registry, number):
    """The digest of a layer of the image."""
    _, document = registry.manifests["team/app", "1"]
    return json.loads(document)["layers"][number]["digest"]


async def test_an_image_comes_with_its_layers(engine, registry):
    (pulled,) = await pull(engine, registry)
    image = await engine.images.get(f"{registry.host}/team/app:1")
    trees = [engine.paths.layer(chain_id) for chain_id in image.chain_ids]
    assert pulled.image_id == image.id
    assert sorted(listing(trees[0], times=False)) == ["big", "etc", "etc/one"]
    assert "etc/two" in listing(trees[1], times=False)


async def test_what_is_there_is_not_fetched_again(engine, registry):
    await pull(engine, registry)
    registry.requests.clear()
    await pull(engine, registry)
    assert registry.asked(layer(registry, 0)) == []


async def test_a_tag_that_is_not_there_is_named(engine, registry):
    with pytest.raises(NotFound, match=r"manifest for .*team/app:2 not found: manifest unknown"):
        await pull(engine, registry, "team/app:2")


async def test_the_image_of_a_platform_is_chosen_of_an_index(engine, registry):
    entries = []
    for architecture in ("arm64", "s390x"):
        found = registry.put_image(
            "team/multi", architecture, (member(architecture, b""),), architecture=architecture
        )
        entries.append({**found, "platform": {"os": "linux", "architecture": architecture}})
    registry.put_manifest(
        "team/multi", "1", INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    )
    (pulled,) = await pull(engine, registry, "team/multi:1", platform="linux/s390x")
    assert (await engine.images.get(pulled.image_id)).architecture == "s390x"


async def test_a_platform_that_is_not_there_names_those_that_are(engine, registry):
    found = registry.put_image("team/multi", "x", (member("x", b""),), architecture="arm64")
    entries = [{**found, "platform": {"os": "linux", "architecture": "arm64"}}]
    registry.put_manifest(
        "team/multi", "1", INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    )
    with pytest.raises(NotFound, match="no matching manifest for linux/s390x") as caught:
        await pull(engine, registry, "team/multi:1", platform="linux/s390x")
    assert caught.value.remedy == "there is: linux/arm64"


async def test_every_tag_comes_if_all_are_wanted(engine, registry):
    registry.put_image("team/app", "2", TOP)
    await pull(engine, registry, "team/app", all_tags=True)
    names = {name for image in await engine.images.list(ImageFilter()) for name in image.names}
    assert names == {f"{registry.host}/team/app:1", f"{registry.host}/team/app:2"}


async def test_a_layer_that_breaks_off_goes_on_where_it_did(engine, registry):
    registry.cut_after = [100_000]
    await pull(engine, registry)
    assert "bytes=100000-" in [headers.get("Range") for headers in registry.asked("/blobs/")]


async def test_a_registry_without_ranges_sends_all_again(engine, registry):
    registry.cut_after, registry.ranges = [100_000], False
    (pulled,) = await pull(engine, registry)
    assert (await engine.images.get(pulled.image_id)).size > 600_000


async def test_who_is_refused_for_too_many_requests_waits_as_told(engine, registry):
    registry.refusals = [(429, {"Retry-After": "0"}), (503, {}), (502, {})]
    assert await pull(engine, registry)


async def test_damaged_bytes_are_refused_and_nothing_of_the_image_stays(engine, registry):
    registry.damage = True
    with pytest.raises((InvalidArchive, RegistryError)):
        await pull(engine, registry)
    assert await engine.images.list(ImageFilter(all=True)) == ()
    registry.damage = False
    assert await pull(engine, registry)


async def test_a_pull_that_was_cancelled_goes_on_with_what_came(engine, registry):
    registry.cut_after = [300_000] * 50
    pulling = asyncio.ensure_future(pull(engine, registry))
    part = engine.paths.download(layer(registry, 0))
    while not (os.path.exists(part) and os.path.getsize(part) >= 300_000):
        await asyncio.sleep(0.01)
    pulling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pulling
    registry.cut_after = []
    registry.requests.clear()
    await pull(engine, registry)
    (asked,) = registry.asked(layer(registry, 0))
    assert int(asked["Range"].removeprefix("bytes=").rstrip("-")) >= 300_000


async def test_two_pulls_of_an_image_fetch_its_layers_once(engine, registry):
    await asyncio.gather(pull(engine, registry), pull(engine, registry))
    assert len(registry.asked(layer(registry, 0))) == 1


async def test_a_token_is_asked_for_where_the_challenge_says(engine, registry):
    registry.token = "abc"
    await pull(engine, registry)
    (asked,) = [path for _, path, _ in registry.requests if path.startswith("/token")][:1]
    assert "scope=repository%3Ateam%2Fapp%3Apull" in asked


@pytest.mark.parametrize("token", ["", "abc"])
async def test_what_a_login_proved_is_used(engine, registry, tmp_path, token):
    registry.basic, registry.token = "me:secret", token
    with pytest.raises(RegistryError, match="denied"):
        await pull(engine, registry)
    where = await engine.registries.login(
        LoginOptions(server=registry.host, username="me", password="secret")
    )
    assert where == f"{tmp_path}/.docker/config.json"
    assert os.stat(where).st_mode & 0o777 == 0o600
    assert await pull(engine, registry)


async def test_a_wrong_password_is_not_kept(engine, registry, tmp_path):
    registry.basic = "me:secret"
    with pytest.raises(RegistryError, match="unauthorized") as caught:
        await engine.registries.login(LoginOptions(server=registry.host, username="me", password="other"))
    assert "other" not in str(caught.value)
    assert not os.path.exists(f"{tmp_path}/.docker/config.json")


async def test_a_logout_forgets(engine, registry):
    registry.basic = "me:secret"
    await engine.registries.login(LoginOptions(server=registry.host, username="me", password="secret"))
    assert await engine.registries.logout(registry.host)
    assert not await engine.registries.logout(registry.host)
    with pytest.raises(RegistryError, match="denied"):
        await pull(engine, registry)


async def test_podmans_file_is_read(engine, registry, tmp_path, monkeypatch):
    registry.basic = "me:secret"
    auth = base64.b64encode(b"me:secret").decode()
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {f"{registry.host}/team": {"auth": auth}}}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    assert await pull(engine, registry)


async def test_a_credential_helper_is_asked(engine, registry, tmp_path, monkeypatch):
    registry.basic = "me:secret"
    helper = tmp_path / "docker-credential-tests"
    helper.write_text('#!/bin/sh\nread key\necho "{\\"Username\\":\\"me\\",\\"Secret\\":\\"secret\\"}"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text('{"credsStore": "tests"}')
    assert await pull(engine, registry)


async def test_mirrors_are_asked_first_and_the_fall_back_is_told(engine, registry, tmp_path):
    folder = tmp_path / ".config" / "tuidock"
    folder.mkdir(parents=True)
    (folder / "registries.toml").write_text(
        f'[registry."far.invalid"]\nmirrors = ["gone.invalid", "http://{registry.host}"]\n'
    )
    told = []
    options = PullOptions(reference="far.invalid/team/app:1")
    await engine.images.pull(options, told.append)
    messages = [fact.text for fact in told if isinstance(fact, Message)]
    assert any(text.startswith("mirror gone.invalid: cannot reach gone.invalid") for text in messages)
    assert await engine.images.get("far.invalid/team/app:1")
