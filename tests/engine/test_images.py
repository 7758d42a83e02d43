from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import tarfile

import pytest

from engine.errors import Conflict, InvalidArchive, InvalidInput, NotFound, OutputFailed, StoreFailure
from engine.events import ImageStored, LayerProgress, Message, ignore_progress
from engine.images import Images
from engine.options import (
    BootstrapOptions,
    EventFilter,
    ImageFilter,
    ImportOptions,
    LoadOptions,
    PruneOptions,
    RemoveImageOptions,
    SaveOptions,
)
from engine.runtime.launcher import Launcher
from engine.store.database import Database
from engine.store.journal import Journal
from engine.store.locks import making
from tests.support.tars import link, member, tar

pytestmark = pytest.mark.root


@pytest.fixture
def launcher():
    opened = Launcher.open()
    yield opened
    opened.close()


@pytest.fixture
def journal(paths):
    return Journal(paths.events)


@pytest.fixture
def images(paths, launcher, journal):
    os.makedirs(paths.root)
    database = Database(paths.database)
    yield Images(paths, database, launcher, journal)
    assert not os.path.isdir(paths.staging) or os.listdir(paths.staging) == []
    database.close()


@pytest.fixture
def root_tar(tmp_path):
    path = tmp_path / "root.tar"
    path.write_bytes(tar(member("etc", mode=0o751), member("etc/name", b"x" * 100), link("l", "etc")))
    return str(path)


async def imported(images, root_tar, reference="app:1", **options):
    return await images.import_(ImportOptions(path=root_tar, reference=reference, **options), ignore_progress)


def leftovers(paths):
    return {
        name: os.listdir(getattr(paths, name))
        for name in ("layers", "blobs", "staging")
        if os.path.isdir(getattr(paths, name)) and os.listdir(getattr(paths, name))
    }


class TestImport:
    async def test_a_tar_becomes_an_image_of_one_layer(self, images, paths, root_tar):
        image = await imported(images, root_tar)
        layer = paths.layer(image.chain_ids[0])
        assert (image.names, image.size, len(image.chain_ids)) == (("app:1",), 100, 1)
        assert stat.S_IMODE(os.stat(f"{layer}/etc").st_mode) == 0o751

    async def test_from_a_descriptor(self, images, root_tar):
        with open(root_tar, "rb") as file:
            image = await images.import_(ImportOptions(fd=file.fileno()), ignore_progress)
        assert (image.names, image.size) == ((), 100)

    async def test_changes_and_message(self, images, root_tar):
        changes = ('CMD ["sh", "-c"]', "ENV A=b")
        image = await imported(images, root_tar, changes=changes, message="by hand")
        assert (image.config.cmd, image.config.env) == (("sh", "-c"), ("A=b",))
        assert (await images.history("app:1"))[0].comment == "by hand"

    async def test_a_bad_name_is_refused_before_any_work(self, images, paths, root_tar):
        with pytest.raises(InvalidInput):
            await imported(images, root_tar, "BAD NAME")
        assert leftovers(paths) == {}

    async def test_a_hostile_tar_leaves_nothing(self, images, paths, tmp_path):
        (tmp_path / "evil.tar").write_bytes(tar(member("ok", b"x"), member("../evil", b"x")))
        with pytest.raises(InvalidArchive, match=r"evil\.tar"):
            await imported(images, str(tmp_path / "evil.tar"))
        assert leftovers(paths) == {}

    async def test_a_missing_file(self, images):
        with pytest.raises(InvalidArchive, match="No such file"):
            await imported(images, "/no/such.tar")


class TestBootstrap:
    async def test_hello_world_needs_nothing(self, images, paths):
        facts = []
        image = await images.bootstrap(BootstrapOptions(name="hello-world"), facts.append)
        assert image.names == ("hello-world:latest",)
        assert isinstance(facts[0], Message)
        assert facts[-1] == ImageStored(image_id=image.id, names=image.names)
        program = subprocess.run(
            [f"{paths.layer(image.chain_ids[0])}/hello"], check=True, capture_output=True
        )
        assert b"Hello" in program.stdout

    async def test_a_tag_of_ones_own(self, images):
        image = await images.bootstrap(BootstrapOptions(name="hello-world", tag="hi:1"), ignore_progress)
        assert image.names == ("hi:1",)

    async def test_an_unknown_recipe(self, images):
        with pytest.raises(InvalidInput, match="plan9"):
            await images.bootstrap(BootstrapOptions(name="plan9"), ignore_progress)


class TestSaveAndLoad:
    @pytest.mark.parametrize("form", ["docker", "oci"])
    @pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
    async def test_what_is_saved_is_loaded_as_the_same_image(
        self, images, paths, root_tar, tmp_path, form, compression
    ):
        before = await imported(images, root_tar)
        path = str(tmp_path / "saved.tar")
        options = SaveOptions(references=("app:1",), path=path, format=form, compression=compression)
        await images.save(options, ignore_progress)
        await images.remove("app:1", RemoveImageOptions())
        assert leftovers(paths) == {}
        facts = []
        (after,) = await images.load(LoadOptions(path=path), facts.append)
        assert (after.id, after.names, after.chain_ids) == (before.id, ("app:1",), before.chain_ids)
        assert os.readlink(f"{paths.layer(after.chain_ids[0])}/l") == "etc"
        assert [fact.phase for fact in facts if isinstance(fact, LayerProgress)][-1] == "done"

    async def test_through_descriptors(self, images, root_tar, tmp_path):
        before = await imported(images, root_tar)
        with open(tmp_path / "pipe", "w+b") as file:
            await images.save(SaveOptions(references=("app:1",), fd=file.fileno()), ignore_progress)
            file.seek(0)
            (after,) = await images.load(LoadOptions(fd=file.fileno()), ignore_progress)
        assert after.id == before.id

    async def test_a_repository_means_all_its_tags_and_an_id_no_name(self, images, root_tar, tmp_path):
        image = await imported(images, root_tar)
        await images.tag("app:1", "app:2")
        await images.tag("app:1", "other:1")
        for reference, expected in (("app", ["app:1", "app:2"]), (image.id, None), ("other:1", ["other:1"])):
            path = str(tmp_path / "saved.tar")
            await images.save(SaveOptions(references=(reference,), path=path), ignore_progress)
            with tarfile.open(path) as archive:
                manifest = archive.extractfile("manifest.json")
                assert manifest is not None
                assert json.load(manifest)[0]["RepoTags"] == expected

    async def test_a_failed_save_leaves_no_file(self, images, tmp_path):
        with pytest.raises(NotFound):
            await images.save(SaveOptions(references=("nope",), path=str(tmp_path / "x")), ignore_progress)
        assert os.listdir(tmp_path) == []

    async def test_a_load_moves_the_name_and_says_so(self, images, root_tar, tmp_path):
        old = await imported(images, root_tar)
        path = str(tmp_path / "saved.tar")
        await images.save(SaveOptions(references=("app:1",), path=path), ignore_progress)
        new = await imported(images, root_tar, message="another")
        facts = []
        await images.load(LoadOptions(path=path), facts.append)
        assert (await images.get("app:1")).id == old.id
        assert any(isinstance(fact, Message) and new.id in fact.text for fact in facts)

    @pytest.mark.parametrize("cut", [100, 3000, 5000])
    async def test_a_cut_archive_leaves_nothing(self, images, paths, root_tar, tmp_path, cut):
        await imported(images, root_tar)
        path = str(tmp_path / "saved.tar")
        await images.save(SaveOptions(references=("app:1",), path=path), ignore_progress)
        await images.remove("app:1", RemoveImageOptions())
        os.truncate(path, cut)
        with pytest.raises(InvalidArchive):
            await images.load(LoadOptions(path=path), ignore_progress)
        await images.collect()
        assert leftovers(paths) == {}

    async def test_a_layer_that_is_not_what_the_config_says_leaves_nothing(self, images, paths, tmp_path):
        config = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [f"sha256:{'0' * 64}"]}}
        entry = [{"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l/layer.tar"]}]
        archive = tar(
            member("c.json", json.dumps(config).encode()),
            member("l/layer.tar", tar(member("a", b"x"))),
            member("manifest.json", json.dumps(entry).encode()),
        )
        (tmp_path / "bad.tar").write_bytes(archive)
        with pytest.raises(InvalidArchive, match="diff id"):
            await images.load(LoadOptions(path=str(tmp_path / "bad.tar")), ignore_progress)
        assert leftovers(paths) == {}
        assert await images.list(ImageFilter()) == ()

    async def test_a_cancelled_load_leaves_nothing(self, images, paths, tmp_path):
        layer = tar(*(member(f"f{number}", os.urandom(1000)) for number in range(5000)))
        (tmp_path / "big.tar").write_bytes(layer)
        task = asyncio.create_task(imported(images, str(tmp_path / "big.tar")))
        while not (os.path.isdir(paths.staging) and any(len(f) > 10 for _, _, f in os.walk(paths.staging))):
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert leftovers(paths) == {}


class TestNames:
    async def test_tag_list_and_untag(self, images, journal, root_tar):
        image = await imported(images, root_tar)
        await images.tag(image.id[7:19], "host:5000/x")
        assert (await images.list(ImageFilter(reference="host:5000/x")))[0].names == ("host:5000/x:latest",)
        removed = await images.remove("host:5000/x", RemoveImageOptions())
        assert (removed.untagged, removed.deleted) == (("host:5000/x:latest",), ())
        told = [event.action async for event in journal.read(EventFilter(follow=False))]
        assert told == ["import", "tag", "untag"]

    async def test_removal_frees_the_layers(self, images, paths, root_tar):
        image = await imported(images, root_tar)
        removed = await images.remove("app:1", RemoveImageOptions())
        assert removed.deleted == (image.id, *image.chain_ids)
        assert leftovers(paths) == {}

    async def test_removal_during_a_build_leaves_the_layers_to_later(self, images, paths, root_tar):
        image = await imported(images, root_tar)
        with making(paths):
            removed = await images.remove("app:1", RemoveImageOptions())
        assert removed.deleted == (image.id,)
        assert os.path.isdir(paths.layer(image.chain_ids[0]))
        assert (await images.prune(PruneOptions())).removed == (f"deleted: {image.chain_ids[0]}",)

    async def test_several_names_conflict_by_id(self, images, root_tar):
        image = await imported(images, root_tar)
        await images.tag("app:1", "b")
        with pytest.raises(Conflict, match="multiple repositories"):
            await images.remove(image.id, RemoveImageOptions())

    async def test_prune_takes_what_has_no_name(self, images, root_tar):
        old = await imported(images, root_tar)
        new = await imported(images, root_tar, message="another")
        pruned = await images.prune(PruneOptions())
        assert pruned.removed == (f"deleted: {old.id}",)
        assert [image.id for image in await images.list(ImageFilter())] == [new.id]

    async def test_prune_all_takes_what_no_container_uses(self, images, paths, root_tar):
        image = await imported(images, root_tar)
        pruned = await images.prune(PruneOptions(all=True))
        assert pruned.removed[:2] == ("untagged: app:1", f"deleted: {image.id}")
        assert pruned.reclaimed > 100
        assert leftovers(paths) == {}


class TestLooking:
    async def test_inspect_has_dockers_shape(self, images, paths, root_tar):
        image = await imported(images, root_tar, changes=("EXPOSE 80", "LABEL a=b"))
        document = await images.inspect("app:1")
        assert (document["Id"], document["RepoTags"], document["Size"]) == (image.id, ["app:1"], 100)
        assert document["RootFS"] == {"Type": "layers", "Layers": list(image.chain_ids)}
        assert document["Config"]["ExposedPorts"] == {"80/tcp": {}}
        assert (document["Config"]["Labels"], document["Config"]["Cmd"]) == ({"a": "b"}, None)
        assert document["GraphDriver"]["Data"]["UpperDir"] == paths.layer(image.chain_ids[0])

    async def test_what_is_not_there(self, images):
        with pytest.raises(NotFound, match="No such image: nope:latest"):
            await images.get("nope")


@pytest.fixture
def small_disk(tmp_path):
    root = str(tmp_path / "small")
    os.makedirs(root)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", root], check=True)
    yield root
    subprocess.run(["umount", root], check=True)


@pytest.fixture
def big_tar(tmp_path):
    path = tmp_path / "big.tar"
    path.write_bytes(tar(*(member(f"f{number}", os.urandom(100_000)) for number in range(60))))
    return str(path)


class TestFullDisk:
    @pytest.fixture
    def full(self, small_disk, tmp_path, launcher):
        from engine.paths import Paths

        paths = Paths(root=small_disk, run=str(tmp_path / "run"))
        database = Database(paths.database)
        yield Images(paths, database, launcher, Journal(paths.events))
        database.close()
        assert leftovers(paths).get("staging") is None

    async def test_an_import_is_refused_whole(self, full, big_tar, root_tar):
        with pytest.raises(StoreFailure, match="No space left") as caught:
            await imported(full, big_tar)
        assert "free some space" in caught.value.remedy
        assert (await imported(full, root_tar)).size == 100

    async def test_a_load_is_refused_whole(self, full, images, big_tar, root_tar, tmp_path):
        await imported(images, big_tar)
        path = str(tmp_path / "saved.tar")
        await images.save(SaveOptions(references=("app:1",), path=path), ignore_progress)
        with pytest.raises(StoreFailure, match="No space left"):
            await full.load(LoadOptions(path=path), ignore_progress)
        assert (await imported(full, root_tar)).size == 100
        assert len(await full.list(ImageFilter())) == 1

    async def test_a_save_is_refused_and_leaves_no_file(self, images, big_tar, small_disk):
        await imported(images, big_tar)
        options = SaveOptions(references=("app:1",), path=f"{small_disk}/saved.tar")
        with pytest.raises(OutputFailed, match="no space left"):
            await images.save(options, ignore_progress)
        assert os.listdir(small_disk) == []
