from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile

import pytest

from engine.archive.reader import read_archive
from engine.archive.writer import write_archive
from engine.errors import InvalidArchive, OutputFailed
from engine.layer.diff import measure_layer
from engine.oci.digest import sha256

NAME = "docker.io/library/sample:1"


@pytest.fixture
def image(tmp_path):
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc" / "motd").write_text("welcome\n")
    diff_id, _, _ = measure_layer(str(tree))
    config = tmp_path / "config"
    config.write_text(
        json.dumps(
            {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
        )
    )
    return {
        "config": str(config),
        "manifest": None,
        "names": [NAME],
        "layers": [{"diff_id": diff_id, "tree": str(tree)}],
    }


def write(tmp_path, images, form="docker", compression="none"):
    path = tmp_path / f"{form}-{compression}.tar"
    staging = tmp_path / "writing"
    staging.mkdir(exist_ok=True)
    with open(path, "wb") as out:
        arguments = {"format": form, "compression": compression, "images": images, "staging": str(staging)}
        write_archive(arguments, [out.fileno()])
    return path


def read(tmp_path, path):
    staging = tmp_path / "reading"
    staging.mkdir(exist_ok=True)
    return read_archive({"path": str(path), "staging": str(staging)}, [])["images"]


@pytest.mark.parametrize("form", ["docker", "oci"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_what_is_written_reads_back(tmp_path, image, form, compression):
    [found] = read(tmp_path, write(tmp_path, [image], form, compression))
    with open(image["config"], "rb") as wanted, open(found["config"], "rb") as got:
        assert got.read() == wanted.read()
    with open(found["layers"][0]["path"], "rb") as layer:
        assert sha256(layer.read()) == image["layers"][0]["diff_id"]
    assert found["names"] == [NAME]


def test_the_same_image_gives_the_same_archive(tmp_path, image):
    first = write(tmp_path, [image]).read_bytes()
    assert write(tmp_path, [image]).read_bytes() == first


def test_a_layer_shared_by_two_images_is_written_once(tmp_path, image):
    other = image | {"names": ["docker.io/library/other:1"]}
    with tarfile.open(write(tmp_path, [image, other])) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))


def test_an_archive_from_a_pipe_is_read(tmp_path, image):
    path = write(tmp_path, [image], compression="gzip")
    (tmp_path / "staging").mkdir()
    with open(path, "rb") as file:
        found = read_archive({"path": None, "staging": str(tmp_path / "staging")}, [file.fileno()])
    assert found["images"][0]["names"] == [NAME]


def archive_of(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_docker_archives_of_old_with_linked_layers_are_read(tmp_path):
    path = tmp_path / "old.tar"
    config = b"{}"
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar", "b/layer.tar"]}]
    archive_of(path, {"c.json": config, "a/layer.tar": b"L", "manifest.json": json.dumps(manifest).encode()})
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("b/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../a/layer.tar"
        archive.addfile(link)
    [found] = read(tmp_path, path)
    assert found["layers"][0]["path"] == found["layers"][1]["path"]


@pytest.mark.parametrize("name", ["../../escape", "/etc/escape"])
def test_members_with_hostile_names_are_never_paths(tmp_path, name):
    path = archive_of(tmp_path / "bad.tar", {name: b"x"})
    with pytest.raises(InvalidArchive):
        read(tmp_path, path)
    assert not os.path.exists("/etc/escape")
    assert not (tmp_path.parent / "escape").exists()


def test_a_blob_with_another_digest_than_its_name_is_refused(tmp_path):
    blob = f"blobs/sha256/{hashlib.sha256(b'right').hexdigest()}"
    path = archive_of(tmp_path / "bad.tar", {blob: b"wrong"})
    with pytest.raises(InvalidArchive, match="digest"):
        read(tmp_path, path)


def test_an_archive_cut_short_is_refused(tmp_path, image):
    path = write(tmp_path, [image], compression="gzip")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidArchive, match="cut short"):
        read(tmp_path, path)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "text"
    path.write_text("no archive at all\n" * 100)
    with pytest.raises(InvalidArchive, match="not a tar archive"):
        read(tmp_path, path)


def test_a_root_file_system_is_refused_with_the_way_out(tmp_path):
    path = archive_of(tmp_path / "root.tar", {"etc/passwd": b"root"})
    with pytest.raises(InvalidArchive) as caught:
        read(tmp_path, path)
    assert "tuidock import" in caught.value.remedy


def test_a_layer_that_is_named_but_missing_is_refused(tmp_path):
    manifest = [{"Config": "c.json", "RepoTags": [], "Layers": ["gone/layer.tar"]}]
    path = archive_of(tmp_path / "bad.tar", {"c.json": b"{}", "manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(InvalidArchive, match=r"gone/layer\.tar is named but missing"):
        read(tmp_path, path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidArchive, match="nosuch"):
        read(tmp_path, tmp_path / "nosuch.tar")


def test_a_full_output_is_named(tmp_path, image):
    arguments = {"format": "docker", "compression": "none", "images": [image], "staging": str(tmp_path)}
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OutputFailed, match="no space left"):
        write_archive(arguments, [full])
    os.close(full)
