from __future__ import annotations

import os

import pytest

from engine.errors import InvalidInput
from engine.options import CreateOptions, MountSpec
from engine.runtime.mountpoints import check_volume_name, make_bind_sources, mount_points


def points(paths, *mounts: MountSpec, volumes=()):
    return mount_points(paths, CreateOptions(image="i", mounts=mounts), dict.fromkeys(volumes))


def test_a_named_volume_is_mounted_from_its_data(paths):
    (point,) = points(paths, MountSpec(type="volume", source="data", target="/d/"))
    assert (point.name, point.source, point.target, point.anonymous) == (
        "data",
        f"{paths.root}/volumes/data/_data",
        "/d",
        False,
    )


def test_the_images_volumes_are_anonymous(paths):
    (point,) = points(paths, volumes=("/v",))
    assert (len(point.name), point.anonymous) == (64, True)


def test_a_mount_of_the_user_takes_the_place_of_the_images_volume(paths):
    found = points(paths, MountSpec(type="tmpfs", target="/v/"), volumes=("/v",))
    assert [point.type for point in found] == ["tmpfs"]


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        (MountSpec(type="volume", target="relative"), "mount path must be absolute"),
        (MountSpec(type="volume", target="/x/.."), "destination can't be '/'"),
        (MountSpec(type="magic", target="/x"), "mount type unknown"),
        (MountSpec(type="bind", source="here", target="/x"), "must be absolute"),
        (MountSpec(type="volume", source="a/b", target="/x"), "invalid characters for a local volume name"),
    ],
)
def test_what_cannot_be_mounted_is_refused(paths, mount, words):
    with pytest.raises(InvalidInput, match=words):
        points(paths, mount)


@pytest.mark.parametrize("name", ["a", "", "-a", "a b", "a/b"])
def test_volume_names_are_dockers(name):
    with pytest.raises(InvalidInput):
        check_volume_name(name)


def test_missing_sources_of_v_are_made_with_their_parents(tmp_path):
    spec = MountSpec(type="bind", source=f"{tmp_path}/a/b", target="/x", create_source=True)
    assert make_bind_sources([spec]) == [f"{tmp_path}/a", f"{tmp_path}/a/b"]
    assert make_bind_sources([spec]) == []


def test_a_source_that_cannot_be_made_leaves_nothing(tmp_path):
    with open(f"{tmp_path}/file", "w"):
        pass
    specs = [
        MountSpec(type="bind", source=f"{tmp_path}/new", target="/x", create_source=True),
        MountSpec(type="bind", source=f"{tmp_path}/file/below", target="/y", create_source=True),
    ]
    with pytest.raises(InvalidInput, match="error while creating mount source path"):
        make_bind_sources(specs)
    assert os.listdir(tmp_path) == ["file"]
