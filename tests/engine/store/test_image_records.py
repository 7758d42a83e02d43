from __future__ import annotations

import os

import pytest

from engine.errors import InvalidInput, InvalidReference, NotFound, StoreFailure
from engine.oci import reference as references
from engine.oci.config import ContainerConfig, ImageConfig, RootFS
from engine.oci.digest import chain_ids, sha256
from engine.store.database import Database
from engine.store.image_records import ImageRecords
from engine.store.layers import LayerStore

DIFF_IDS = tuple(sha256(text) for text in (b"one", b"two"))
CHAIN = chain_ids(DIFF_IDS)


@pytest.fixture
def database(paths):
    os.makedirs(paths.root)
    opened = Database(paths.database)
    yield opened
    opened.close()


@pytest.fixture
def layers(paths, database):
    store = LayerStore(paths, database)
    store.register(CHAIN[0], None, DIFF_IDS[0], 10)
    store.register(CHAIN[1], CHAIN[0], DIFF_IDS[1], 32)
    return store


@pytest.fixture
def records(paths, database, layers):
    return ImageRecords(paths, database)


def config(author="", **fields):
    rootfs = RootFS(diff_ids=DIFF_IDS)
    return ImageConfig(architecture="amd64", os="linux", author=author, rootfs=rootfs, **fields)


class TestPut:
    def test_an_image_is_what_its_config_says(self, records):
        created = "2024-01-02T03:04:05.5Z"
        document = config(created=created, config=ContainerConfig(cmd=("sh",), labels={"a": "b"}))
        image_id = records.put_image(document, CHAIN, ["busybox", "localhost:5000/x:1"])
        image = records.get(image_id)
        assert image.names == ("busybox:latest", "localhost:5000/x:1")
        assert (image.created, image.size) == (1704164645500000000, 42)
        assert (image.config.cmd, image.labels, image.chain_ids) == (("sh",), {"a": "b"}, CHAIN)

    def test_raw_bytes_are_kept_as_they_came(self, records):
        ids = ",".join(f'"{diff_id}"' for diff_id in DIFF_IDS)
        raw = b'{ "os":"linux", "config":{"Cmd":null,"Env":null},"rootfs":{"diff_ids":[%s]}}' % ids.encode()
        image_id = records.put_image(raw, CHAIN)
        assert image_id == sha256(raw)
        assert records.raw_config(image_id) == raw
        assert records.get(image_id).config == ContainerConfig()

    def test_a_name_moves_to_the_newer_image(self, records):
        old = records.put_image(config("old"), CHAIN, ["x"])
        new = records.put_image(config("new"), CHAIN, ["x"])
        assert records.resolve("x").id == new
        assert records.get(old).names == ()

    def test_the_same_image_twice_is_one(self, records):
        assert records.put_image(config(), CHAIN, ["a"]) == records.put_image(config(), CHAIN, ["b"])
        assert records.resolve("a").names == ("a:latest", "b:latest")

    def test_layers_that_are_not_there_are_refused(self, records):
        other = RootFS(diff_ids=(sha256(b"other"),))
        document = ImageConfig(architecture="amd64", os="linux", rootfs=other)
        with pytest.raises(NotFound, match="layer"):
            records.put_image(document, other.diff_ids)
        assert records.ids() == ()

    def test_layers_of_another_config_are_refused(self, records):
        with pytest.raises(InvalidInput, match="diff ids"):
            records.put_image(config(), CHAIN[:1])

    def test_a_name_with_a_digest_is_refused(self, records):
        with pytest.raises(InvalidReference):
            records.put_image(config(), CHAIN, [f"x@{sha256(b'')}"])


class TestResolve:
    @pytest.fixture
    def image_id(self, records):
        manifest = sha256(b"manifest")
        return records.put_image(config(), CHAIN, ["busybox:1.36"], manifest=manifest)

    @pytest.mark.parametrize(
        "text", ["busybox:1.36", "docker.io/busybox:1.36", "index.docker.io/library/busybox:1.36"]
    )
    def test_by_any_spelling_of_a_name(self, records, image_id, text):
        assert records.resolve_id(text) == image_id

    def test_by_id_and_prefix_with_and_without_the_algorithm(self, records, image_id):
        digits = image_id.removeprefix("sha256:")
        for text in (image_id, digits, digits[:12], f"sha256:{digits[:5]}"):
            assert records.resolve_id(text) == image_id

    def test_by_digest_of_its_manifest(self, records, image_id):
        assert records.resolve_id(f"busybox@{sha256(b'manifest')}") == image_id
        assert records.get(image_id).digests == ()  # no registry has it

    def test_by_the_digest_that_a_registry_has_it_under(self, records, image_id):
        pulled = f"localhost:5000/box@{sha256(b'index')}"
        records.put_image(config(), CHAIN, pulled=references.parse(pulled))
        records.put_digest(references.parse(f"busybox@{sha256(b'pushed')}"), image_id)
        assert records.resolve_id(pulled) == image_id
        assert records.get(image_id).digests == (f"busybox@{sha256(b'pushed')}", pulled)

    def test_a_digest_of_a_repository_means_the_last_that_came_under_it(self, records, image_id):
        pulled = references.parse(f"box@{sha256(b'index')}")
        records.put_digest(pulled, image_id)
        other = records.put_image(config("other"), CHAIN, pulled=pulled)
        assert records.resolve_id(pulled.familiar) == other

    def test_a_digest_of_another_repository_is_not_found(self, records, image_id):
        with pytest.raises(NotFound):
            records.resolve(f"alpine@{sha256(b'manifest')}")

    def test_a_name_wins_over_an_id(self, records, image_id):
        other = records.put_image(config("other"), CHAIN, [image_id.removeprefix("sha256:")[:6]])
        assert records.resolve_id(image_id.removeprefix("sha256:")[:6]) == other

    def test_a_prefix_of_several_is_ambiguous(self, records):
        ids = [records.put_image(config(str(n)), CHAIN) for n in range(20)]
        digits = [one.removeprefix("sha256:")[0] for one in ids]
        repeated = next(digit for digit in digits if digits.count(digit) > 1)
        with pytest.raises(InvalidInput, match="more than one"):
            records.resolve(repeated)

    @pytest.mark.parametrize(
        ("text", "shown"), [("nope", "nope:latest"), ("a/b:c", "a/b:c"), ("f" * 64, "f" * 64)]
    )
    def test_what_is_not_there_is_named_with_a_remedy(self, records, text, shown):
        with pytest.raises(NotFound) as caught:
            records.resolve(text)
        assert str(caught.value) == f"No such image: {shown}"
        assert "tuidock images" in caught.value.remedy

    @pytest.mark.parametrize("text", ["", "UPPER", "a b", "a:"])
    def test_what_is_no_reference_is_refused(self, records, text):
        with pytest.raises(InvalidReference):
            records.resolve(text)


class TestTag:
    def test_adds_a_name(self, records):
        image_id = records.put_image(config(), CHAIN, ["a"])
        assert records.tag(image_id, "b:2") == "docker.io/library/b:2"
        assert records.resolve("b:2").id == image_id

    def test_of_an_image_that_is_gone(self, records):
        with pytest.raises(NotFound):
            records.tag(sha256(b"gone"), "x")


def test_a_damaged_config_is_told_from_a_good_one(paths, records):
    image_id = records.put_image(config(), CHAIN)
    with open(paths.blob(image_id), "ab") as file:
        file.write(b" ")
    with pytest.raises(StoreFailure, match="does not match its digest"):
        records.get(image_id)


def test_a_chain_is_known_without_an_image(layers):
    assert layers.chain(CHAIN[1]) == CHAIN
    assert layers.chain(None) == ()


def test_trees_are_in_the_order_of_overlay(paths, layers):
    assert layers.trees(CHAIN) == (paths.layer(CHAIN[1]), paths.layer(CHAIN[0]))
