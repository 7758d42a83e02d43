from __future__ import annotations

import io
import os
import tarfile

import pytest

from engine.errors import StoreFailure
from engine.layer.diff import layer_tar, measure_layer, walk, write_layer_tar
from engine.layer.extract import extract
from engine.layer.merged import changes

pytestmark = pytest.mark.root


def layer(tree) -> bytes:
    out = io.BytesIO()
    write_layer_tar(str(tree), out)
    return out.getvalue()


def names(content: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return archive.getnames()


def first(content: bytes, name: str) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return archive.getmember(name)


def test_names_are_in_byte_order_and_parents_come_first(tmp_path):
    for name in ("b", "a-x", "a/z", "a/b/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert names(layer(tmp_path)) == [".", "a", "a/b", "a/b/c", "a/z", "a-x", "b"]


def test_the_same_tree_gives_the_same_bytes(tmp_path):
    for folder, order in (("one", "abc"), ("two", "cba")):
        (tmp_path / folder).mkdir()
        for name in order:
            (tmp_path / folder / name).write_text(name)
            os.utime(tmp_path / folder / name, (1, 1))
        os.utime(tmp_path / folder, (1, 1))
    assert layer(tmp_path / "one") == layer(tmp_path / "two")


def test_whiteouts_and_opaque_marks_get_their_tar_names(tmp_path):
    os.mknod(tmp_path / "gone", 0o20000, 0)
    (tmp_path / "d").mkdir()
    os.setxattr(tmp_path / "d", "trusted.overlay.opaque", b"y")
    os.mknod(tmp_path / "d" / "x", 0o20000, 0)
    content = layer(tmp_path)
    assert names(content) == [".", "d", "d/.wh..wh..opq", "d/.wh.x", ".wh.gone"]
    assert first(content, "d").pax_headers == {}


def test_owners_are_numbers_and_times_whole_seconds(tmp_path):
    (tmp_path / "a").touch()
    os.chown(tmp_path / "a", 1000, 3_000_000)
    os.utime(tmp_path / "a", ns=(0, 5_999_999_999))
    info = first(layer(tmp_path), "a")
    assert (info.uid, info.gid, info.uname, info.mtime) == (1000, 3_000_000, "", 5)


def test_hard_links_are_written_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    os.link(tmp_path / "a", tmp_path / "b")
    info = first(layer(tmp_path), "b")
    assert (info.type, info.linkname) == (tarfile.LNKTYPE, "a")
    assert measure_layer(str(tmp_path))[1] == 1000


@pytest.mark.parametrize("length", [99, 100, 101, 154, 155, 156, 200, 255])
def test_names_of_every_length_are_read_by_others(tmp_path, length):
    folder = "d" * 100
    (tmp_path / folder).mkdir()
    (tmp_path / folder / ("f" * length)).write_text("x")
    os.symlink("t" * length, tmp_path / "link")
    content = layer(tmp_path)
    assert names(content)[2] == f"{folder}/{'f' * length}"
    assert first(content, "link").linkname == "t" * length


def test_sockets_are_left_out(tmp_path):
    os.mknod(tmp_path / "s", 0o140644)
    assert names(layer(tmp_path)) == ["."]


def test_xattrs_are_written(tmp_path):
    (tmp_path / "a").touch()
    os.setxattr(tmp_path / "a", "user.note", b"hello")
    assert first(layer(tmp_path), "a").pax_headers == {"SCHILY.xattr.user.note": "hello"}


def test_a_tree_deeper_than_python_recurses(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1100):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (tmp_path / "out").touch()
    with open(tmp_path / "out", "wb") as out:
        result = layer_tar({"tree": str(tmp_path)}, [out.fileno()])
    assert result["entries"] == 1101
    extract({"source": str(tmp_path / "out"), "target": str(tmp_path / "again")}, [])
    from engine.layer.tree import remove

    remove({"paths": [str(tmp_path / "again"), str(tmp_path / "d")]}, [])
    assert os.listdir(tmp_path) == ["out"]


def test_a_tree_whose_paths_would_fill_the_memory_is_refused(tmp_path):
    """A few thousand folders in each other: each has the path of the one above, and one name more."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    for read in (measure_layer, lambda tree: changes({"upper": tree, "lowers": []}, [])):
        with pytest.raises(StoreFailure, match="name too long"):
            read(str(tmp_path))


def test_a_folder_that_goes_meanwhile_is_left_out(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    root = os.open(tmp_path, os.O_RDONLY)
    found = []
    for _folder, name, _path, _status in walk(root):
        found.append(name)
        if name == b"a":
            (tmp_path / "a").rmdir()
            (tmp_path / "a").symlink_to("/")
    os.close(root)
    assert found == [b"a", b"b"]


def test_gnu_tar_reads_it(tmp_path):
    import subprocess

    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_text("x")
    (tmp_path / "tree" / ("é" * 60)).write_text("y")
    (tmp_path / "l.tar").write_bytes(layer(tmp_path / "tree"))
    listed = subprocess.run(
        ["tar", "--quoting-style=literal", "-tf", tmp_path / "l.tar"], check=True, capture_output=True
    )
    assert listed.stderr == b""
    assert listed.stdout.decode().split("\n") == ["./", "a", "é" * 60, ""]
