"""Registries that lie, break off and lead astray: what comes is right, or is refused by name, and no secret leaks."""

from __future__ import annotations

import gzip
import hashlib
import json
import os

import pytest
import zstandard

from engine.errors import EngineError, InvalidArchive, NotFound, RegistryError, StoreFailure
from engine.options import ImageFilter, LoginOptions, PullOptions
from tests.support.registry import INDEX, MANIFEST, Registry
from tests.support.tars import listing, member, tar

pytestmark = pytest.mark.root

LAYER = (member("etc"), member("etc/one", b"1"), member("big", os.urandom(300_000)))
CONFIG = "application/vnd.oci.image.config.v1+json"


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    with Registry() as made:
        made.put_image("team/app", "1", LAYER)
        yield made


async def pull(engine, registry, name="team/app:1", **options):
    options = PullOptions(reference=f"{registry.host}/{name}", **options)
    (pulled,) = await engine.images.pull(options, lambda _fact: None)
    return pulled


async def log_in(engine, registry):
    await engine.registries.login(LoginOptions(server=registry.host, username="me", password="Hush-Hush"))


def manifest(registry, tag="1"):
    return json.loads(registry.manifests["team/app", tag][1])


def put_changed(registry, **changes):
    """The image again, under the tag ``2``, with other members in its manifest."""
    registry.put_manifest("team/app", "2", MANIFEST, {**manifest(registry), **changes})


def put_layers(registry, packed, plain):
    """An image under the tag ``2`` whose layers are these bytes, of these tars."""
    config = manifest(registry)["config"]
    document = json.loads(registry.blobs[config["digest"]])
    document["rootfs"]["diff_ids"] = [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in plain]
    described = registry.put_blob(json.dumps(document).encode())
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    layers = [{"mediaType": kind, **registry.put_blob(one)} for one in packed]
    put_changed(registry, config={"mediaType": CONFIG, **described}, layers=layers)


# -- what breaks off ----------------------------------------------------------------------------------
async def test_every_document_that_breaks_off_is_asked_for_again(engine, registry):
    registry.basic, registry.token = "me:Hush-Hush", "abc"
    await log_in(engine, registry)
    config = manifest(registry)["config"]["digest"]
    registry.halved = ["/token", "/manifests/1", config, "/token", config]
    await pull(engine, registry)
    assert registry.halved == []


async def test_what_an_earlier_pull_left_damaged_is_fetched_again(engine, registry):
    digest = manifest(registry)["layers"][0]["digest"]
    part = engine.paths.download(digest)
    os.makedirs(os.path.dirname(part))
    with open(part, "wb") as file:
        file.write(bytes(100_000))  # as after a loss of power
    pulled = await pull(engine, registry)
    (chain_id,) = (await engine.images.get(pulled.image_id)).chain_ids
    assert "etc/one" in listing(engine.paths.layer(chain_id))


async def test_a_blob_that_is_damaged_here_is_fetched_again(engine, registry):
    blob = engine.paths.blob(manifest(registry)["layers"][0]["digest"])
    os.makedirs(os.path.dirname(blob))
    with open(blob, "wb") as file:
        file.write(gzip.compress(tar(member("other", b"")))[:-3])
    assert await pull(engine, registry)


async def test_a_range_from_elsewhere_is_refused(engine, registry):
    digest = manifest(registry)["layers"][0]["digest"]
    part = engine.paths.download(digest)
    os.makedirs(os.path.dirname(part))
    with open(part, "wb") as file:
        file.write(registry.blobs[digest][:1000])
    registry.instead[digest] = (206, {"Content-Range": "bytes 5000-5001/300000"}, b"ab")
    with pytest.raises(RegistryError, match="asked for what follows byte 1000"):
        await pull(engine, registry)


# -- what is not as promised --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("size", "failure"),
    [(10, InvalidArchive), (10_000_000, RegistryError), (-1, RegistryError), (1 << 60, StoreFailure)],
)
async def test_a_layer_of_another_size_than_promised_is_refused(engine, registry, size, failure):
    (layer,) = manifest(registry)["layers"]
    put_changed(registry, layers=[{**layer, "size": size}])
    with pytest.raises(failure):
        await pull(engine, registry, "team/app:2")
    assert await engine.images.list(ImageFilter(all=True)) == ()
    assert await pull(engine, registry)


@pytest.mark.parametrize(
    "digest", ["sha512:" + "a" * 128, "sha256:../../../../etc/passwd", "md5:" + "a" * 32]
)
async def test_digests_of_other_kinds_are_refused(engine, registry, digest):
    (layer,) = manifest(registry)["layers"]
    put_changed(registry, layers=[{**layer, "digest": digest}])
    with pytest.raises(EngineError, match="is not sha256: and 64 hex digits"):
        await pull(engine, registry, "team/app:2")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config": {"mediaType": "application/vnd.cncf.helm.config.v1+json"}}, "cncf.helm.config"),
        ({"mediaType": "application/vnd.example+json"}, "unsupported media type application/vnd.example"),
        ({"schemaVersion": 1, "mediaType": ""}, "schema 1, which is not supported"),
    ],
)
async def test_what_is_no_image_is_named(engine, registry, changes, said):
    found = manifest(registry)
    put_changed(registry, **{**changes, "config": {**found["config"], **changes.get("config", {})}})
    with pytest.raises(RegistryError, match=said):
        await pull(engine, registry, "team/app:2")


async def test_a_page_of_html_is_no_manifest(engine, registry):
    registry.instead["/manifests/"] = (200, {"Content-Type": "text/html"}, b"<html>log in here</html>")
    with pytest.raises(RegistryError, match="no answer of a registry") as caught:
        await pull(engine, registry)
    assert "no proxy or login page" in caught.value.remedy


async def test_an_endless_manifest_is_refused(engine, registry):
    registry.instead["/manifests/"] = (200, {}, b" " * (5 << 20))
    with pytest.raises(RegistryError, match="longer than 4194304 bytes"):
        await pull(engine, registry)


async def test_attestations_of_an_index_are_passed_over(engine, registry):
    image = registry.put_image("team/app", "plain", LAYER)
    other = registry.put_image("team/app", "attestation", (member("x", b""),))
    entries = [
        {**other, "platform": {"os": "unknown", "architecture": "unknown"}},
        {**image, "platform": {"os": "linux", "architecture": "s390x"}},
    ]
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    inner = registry.put_manifest("team/app", "inner", INDEX, document)
    nested = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]}
    registry.put_manifest("team/app", "multi", INDEX, nested)
    pulled = await pull(engine, registry, "team/app:multi", platform="linux/s390x")
    assert len((await engine.images.get(pulled.image_id)).chain_ids) == 1
    with pytest.raises(NotFound) as caught:
        await pull(engine, registry, "team/app:inner", platform="linux/arm64")
    assert caught.value.remedy == "there is: linux/s390x"


async def test_an_index_within_itself_ends(engine, registry):
    content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
    inner = registry.put_image("team/app", "0", LAYER)
    for depth in range(5):
        content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]}
        inner = registry.put_manifest("team/app", f"deep{depth}", INDEX, content)
    with pytest.raises(RegistryError, match="indexes in indexes"):
        await pull(engine, registry, "team/app:deep4")


# -- layers --------------------------------------------------------------------------------------------
async def test_the_same_layer_many_times_comes_once(engine, registry):
    plain = tar(member("one", b"1"))
    put_layers(registry, [gzip.compress(plain, mtime=0)] * 5, [plain] * 5)
    pulled = await pull(engine, registry, "team/app:2")
    image = await engine.images.get(pulled.image_id)
    assert len({engine.paths.layer(chain_id) for chain_id in image.chain_ids}) == 5
    assert len(registry.asked(manifest(registry, "2")["layers"][0]["digest"])) == 1


async def test_layers_of_zstd_in_frames_with_skippable_ones_come(engine, registry):
    plain = tar(member("one", b"1" * 50_000), member("two", os.urandom(50_000)))
    skippable = b"\x50\x2a\x4d\x18" + (8).to_bytes(4, "little") + b"notes..."
    frames = [zstandard.compress(plain[at : at + 20_000]) for at in range(0, len(plain), 20_000)]
    put_layers(registry, [b"".join([skippable, *frames[:2], skippable, *frames[2:], skippable])], [plain])
    pulled = await pull(engine, registry, "team/app:2")
    (chain_id,) = (await engine.images.get(pulled.image_id)).chain_ids
    assert sorted(listing(engine.paths.layer(chain_id))) == ["one", "two"]


async def test_a_layer_that_leads_out_is_refused_or_stays_inside(engine, registry, tmp_path):
    plain = tar(member("../out", b"1"), member("/abs", b"2"))
    put_layers(registry, [gzip.compress(plain, mtime=0)], [plain])
    with pytest.raises(InvalidArchive):
        await pull(engine, registry, "team/app:2")
    assert not os.path.exists(f"{engine.paths.root}/out")


# -- secrets -------------------------------------------------------------------------------------------
async def test_a_redirect_to_another_host_hears_no_secret(engine, registry):
    with Registry() as storage:
        digest = manifest(registry)["layers"][0]["digest"]
        storage.instead["/blob"] = (200, {}, registry.blobs[digest])
        location = f"http://{storage.host}/blob?X-Signature=Hush-Signed"
        registry.instead[f"/blobs/{digest}"] = (307, {"Location": location}, b"")
        registry.basic = "me:Hush-Hush"
        await log_in(engine, registry)
        await pull(engine, registry)
        assert [headers.get("Authorization") for headers in storage.asked("/blob")] == [None]


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://example.invalid/x", "http://[bad", "//:0/"])
async def test_a_redirect_to_no_registry_is_refused(engine, registry, to):
    registry.instead["/manifests/"] = (307, {"Location": to}, b"")
    with pytest.raises(RegistryError, match="no address"):
        await pull(engine, registry)


async def test_redirects_end(engine, registry):
    registry.instead["/manifests/"] = (307, {"Location": "?again"}, b"")
    with pytest.raises(RegistryError, match="too many redirects"):
        await pull(engine, registry)


async def test_what_is_signed_is_not_shown(engine, registry):
    location = "ftp://user:Hush-Hush@storage.invalid/blob?X-Signature=Hush-Signed"
    registry.instead["/blobs/"] = (307, {"Location": location}, b"")
    with pytest.raises(RegistryError, match=r"storage\.invalid/blob") as caught:
        await pull(engine, registry)
    assert "Hush" not in f"{caught.value!r} {caught.value} {caught.value.__cause__} {vars(caught.value)}"


@pytest.mark.parametrize(
    "answer",
    [
        b'{"access_token": "abc", "refresh_token": null, "expires_in": "300"}',
        b'{"token": "", "access_token": "abc"}',
    ],
)
async def test_token_servers_differ(engine, registry, answer):
    registry.token = "abc"
    registry.instead["/token"] = (200, {}, answer)
    assert await pull(engine, registry)


async def test_a_token_that_no_header_carries_is_not_shown(engine, registry):
    registry.token = "abc"
    registry.instead["/token"] = (200, {}, b'{"token": "Hush\\nInjected: 1"}')
    with pytest.raises(RegistryError, match="no token in its answer") as caught:
        await pull(engine, registry)
    assert "Hush" not in str(caught.value)


async def test_a_token_that_expires_in_between_is_asked_for_anew(engine, registry):
    registry.basic, registry.token = "me:Hush-Hush", "abc"
    await log_in(engine, registry)
    config = manifest(registry)["config"]["digest"]
    challenge = f'Bearer realm="http://{registry.host}/token",service="tests"'
    registry.once[config] = (401, {"WWW-Authenticate": challenge}, b"")
    await pull(engine, registry)
    assert len(registry.asked("/token")) == 3  # to log in, to pull, and anew
