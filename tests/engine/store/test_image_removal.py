from __future__ import annotations

import os

import pytest

from engine.errors import Conflict
from engine.oci import reference as references
from engine.oci.config import ImageConfig, RootFS
from engine.oci.digest import sha256
from engine.records import RemovedImage
from engine.store.database import Database
from engine.store.image_records import ImageRecords
from engine.store.image_removal import ImageRemoval

RUNNING, STOPPED = "aaaaaaaaaaaa1111", "bbbbbbbbbbbb2222"


@pytest.fixture
def database(paths):
    os.makedirs(paths.root)
    opened = Database(paths.database)
    yield opened
    opened.close()


@pytest.fixture
def records(paths, database):
    return ImageRecords(paths, database)


@pytest.fixture
def removal(database):
    return ImageRemoval(database, lambda container_id: container_id == RUNNING)


@pytest.fixture
def put(records):
    def put(*names):
        return records.put_image(ImageConfig(architecture="amd64", os="linux", rootfs=RootFS()), (), names)

    return put


@pytest.fixture
def use(database):
    def use(container_id, image_id):
        with database.transaction() as connection:
            connection.execute(
                "INSERT INTO container (id, name, image, image_id, created, options, config, mounts, ports,"
                " endpoints, desired, state) VALUES (?, ?, 'x', ?, 1, x'', x'', x'', x'', x'', 'created', x'')",
                (container_id, container_id, image_id),
            )

    return use


def digest(records, image_id, name):
    text = f"{name}@{sha256(b'index')}"
    records.put_digest(references.parse(text), image_id)
    return text


def test_the_last_tag_of_a_repository_takes_its_digests_along(put, records, removal):
    image_id = put("box:1", "box:2", "other:1")
    pulled = digest(records, image_id, "box")
    assert removal.remove(image_id, "box:1", force=False) == RemovedImage(untagged=("box:1",))
    assert removal.remove(image_id, "box:2", force=False) == RemovedImage(untagged=("box:2", pulled))


def test_a_digest_that_another_repository_has_keeps_the_image(put, records, removal):
    image_id = put("box:1")
    pulled = digest(records, image_id, "other")
    assert removal.remove(image_id, "box:1", force=False) == RemovedImage(untagged=("box:1",))
    assert removal.remove(image_id, pulled, force=False) == RemovedImage(
        untagged=(pulled,), deleted=(image_id,)
    )


def test_a_name_and_the_digests_of_its_repository_go_by_the_id(put, records, removal):
    image_id = put("box:1")
    pulled = digest(records, image_id, "box")
    assert removal.remove(image_id, image_id, force=False) == RemovedImage(
        untagged=("box:1", pulled), deleted=(image_id,)
    )


def test_a_digest_of_another_repository_needs_force_by_the_id(put, records, removal):
    image_id = put("box:1")
    digest(records, image_id, "other")
    assert "image is referenced in multiple repositories" in refused(removal, image_id, image_id)


def test_what_has_a_digest_alone_is_pruned(put, records, removal):
    image_id = put()
    pulled = digest(records, image_id, "box")
    assert removal.remove_unused(image_id, names=False) == RemovedImage(
        untagged=(pulled,), deleted=(image_id,)
    )


def refused(removal, image_id, reference, *, force=False):
    with pytest.raises(Conflict) as caught:
        removal.remove(image_id, reference, force=force)
    return str(caught.value)


def short(image_id):
    return image_id.removeprefix("sha256:")[:12]


def test_one_of_several_names_is_only_untagged(records, removal, put):
    image_id = put("a", "b")
    assert removal.remove(image_id, "a", force=False) == RemovedImage(untagged=("a:latest",))
    assert records.resolve("b").id == image_id


def test_the_last_name_takes_the_image_with_it(records, removal, put):
    image_id = put("a")
    removed = removal.remove(image_id, "a", force=False)
    assert removed == RemovedImage(untagged=("a:latest",), deleted=(image_id,))
    assert records.ids() == ()


def test_an_id_with_one_name_removes_both(removal, put):
    image_id = put("a")
    removed = removal.remove(image_id, short(image_id), force=False)
    assert removed == RemovedImage(untagged=("a:latest",), deleted=(image_id,))


def test_an_id_with_several_names_needs_force(records, removal, put):
    image_id = put("a", "b")
    assert refused(removal, image_id, image_id) == (
        f"conflict: unable to delete {short(image_id)} (must be forced)"
        " - image is referenced in multiple repositories"
    )
    assert removal.remove(image_id, image_id, force=True).untagged == ("a:latest", "b:latest")


@pytest.mark.parametrize("container", [RUNNING, STOPPED])
def test_the_last_name_of_an_image_in_use_needs_force(records, removal, put, use, container):
    image_id = put("a")
    use(container, image_id)
    assert refused(removal, image_id, "a") == (
        f'conflict: unable to remove repository reference "a" (must force)'
        f" - container {container[:12]} is using its referenced image {short(image_id)}"
    )
    assert records.resolve("a").containers == 1


def test_another_name_of_an_image_in_use_goes_freely(removal, put, use):
    image_id = put("a", "b")
    use(RUNNING, image_id)
    assert removal.remove(image_id, "a", force=False).untagged == ("a:latest",)


def test_the_id_of_an_image_of_a_stopped_container_needs_force(removal, put, use):
    image_id = put("a")
    use(STOPPED, image_id)
    assert refused(removal, image_id, image_id) == (
        f"conflict: unable to delete {short(image_id)} (must be forced)"
        " - image is being used by stopped container bbbbbbbbbbbb"
    )
    assert removal.remove(image_id, image_id, force=True).deleted == (image_id,)


def test_the_id_of_an_image_of_a_running_container_cannot_be_forced(records, removal, put, use):
    image_id = put("a")
    use(RUNNING, image_id)
    assert refused(removal, image_id, image_id, force=True) == (
        f"conflict: unable to delete {short(image_id)} (cannot be forced)"
        " - image is being used by running container aaaaaaaaaaaa"
    )
    assert records.resolve("a").id == image_id


def test_force_takes_the_name_but_not_the_image_of_a_running_container(records, removal, put, use):
    image_id = put("a")
    use(RUNNING, image_id)
    assert removal.remove(image_id, "a", force=True) == RemovedImage(untagged=("a:latest",))
    assert records.get(image_id).names == ()


def test_force_takes_the_image_of_a_stopped_container(removal, put, use):
    image_id = put("a")
    use(STOPPED, image_id)
    assert removal.remove(image_id, "a", force=True).deleted == (image_id,)


class TestUnused:
    def test_dangling_goes(self, removal, put):
        image_id = put()
        assert removal.remove_unused(image_id, names=False).deleted == (image_id,)

    def test_named_stays_unless_names_go_too(self, removal, put):
        image_id = put("a")
        assert removal.remove_unused(image_id, names=False) == RemovedImage()
        assert removal.remove_unused(image_id, names=True).deleted == (image_id,)

    def test_used_stays(self, removal, put, use):
        image_id = put()
        use(STOPPED, image_id)
        assert removal.remove_unused(image_id, names=True) == RemovedImage()
