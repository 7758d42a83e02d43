from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile

import pytest

from engine.errors import InvalidInput
from engine.layer.live import LiveTree
from engine.layer.tar_reader import TarReader
from engine.layer.tree import OPEN_FOLDER

_FILE, _FOLDER, _LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE


def put(root, *entries: tuple[str, bytes, str], scoped: bool = False) -> None:
    """Put (name, type, content or link) entries into the live tree ``root``, which calls itself /shown."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, kind, text in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.mtime = kind, 0o700, 1_000_000
            if kind == _LINK:
                entry.linkname = text
            entry.size = len(text) if kind == _FILE else 0
            entry.uid, entry.gid = os.getuid(), os.getgid()
            tar.addfile(entry, io.BytesIO(text.encode()))
    content.seek(0)
    opened = os.open(root, OPEN_FOLDER)
    tree = LiveTree(opened, "/shown", scope=(opened, "/") if scoped else None, owners=False)
    reader = TarReader(io.BufferedReader(content), "test")
    try:
        for entry in reader:
            tree.put(entry, reader)
        tree.finish()
    finally:
        tree.close()
        os.close(opened)


def test_folders_are_merged_and_files_replaced(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/old").write_text("old")
    (tmp_path / "d/same").write_text("before")
    put(tmp_path, ("d", _FOLDER, ""), ("d/same", _FILE, "after"))
    assert {path.name: path.read_text() for path in (tmp_path / "d").iterdir()} == {
        "old": "old",
        "same": "after",
    }
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o700


def test_the_destination_itself_keeps_its_attributes(tmp_path):
    tmp_path.chmod(0o751)
    put(tmp_path, (".", _FOLDER, ""), ("f", _FILE, "x"))
    assert tmp_path.stat().st_mode & 0o777 == 0o751


def test_what_would_change_its_kind_is_refused_in_dockers_words(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "f").write_text("x")
    with pytest.raises(
        InvalidInput, match='cannot overwrite directory "/shown/d" with non-directory "/shown"'
    ):
        put(tmp_path, ("d", _FILE, ""))
    with pytest.raises(
        InvalidInput, match='cannot overwrite non-directory "/shown/f" with directory "/shown"'
    ):
        put(tmp_path, ("f", _FOLDER, ""))


def test_a_replaced_link_does_not_change_what_it_led_to(tmp_path):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "link").symlink_to("kept")
    put(tmp_path, ("link", _FILE, "new"))
    assert ((tmp_path / "kept").read_text(), (tmp_path / "link").read_text()) == ("kept", "new")


def test_a_link_in_the_middle_of_a_name_is_refused_without_a_scope(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError, match="shown/link/f"):
        put(tmp_path, ("link/f", _FILE, "x"))
    assert list((tmp_path / "real").iterdir()) == []


def test_a_link_in_the_middle_of_a_name_is_followed_inside_the_scope(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("/real")
    put(tmp_path, ("link/f", _FILE, "x"), scoped=True)
    assert (tmp_path / "real/f").read_text() == "x"


def test_a_whiteouts_name_is_a_name(tmp_path):
    (tmp_path / "f").write_text("x")
    put(tmp_path, (".wh.f", _FILE, ""))
    assert sorted(os.listdir(tmp_path)) == [".wh.f", "f"]


SWAPPED_FIFO = """
import os, sys
tree, victim = sys.argv[1:3]
def swap(event, arguments):
    if event == "os.chown" and arguments[0] == b"pipe":
        os.unlink(f"{tree}/pipe")
        os.symlink(victim, f"{tree}/pipe")
sys.addaudithook(swap)
sys.path[:0] = sys.argv[3:]
import io, tarfile
from engine.layer.live import LiveTree
from engine.layer.tar_reader import TarReader
entry = tarfile.TarInfo("pipe")
entry.type, entry.mode = tarfile.FIFOTYPE, 0o4777
entry.uid, entry.gid = os.getuid(), os.getgid()
content = io.BytesIO()
with tarfile.open(fileobj=content, mode="w") as tar:
    tar.addfile(entry)
content.seek(0)
reader = TarReader(io.BufferedReader(content), "test")
opened = os.open(tree, os.O_RDONLY)
live = LiveTree(opened, "/shown", scope=(opened, "/"))
for entry in reader:
    live.put(entry, reader)
print(os.readlink(f"{tree}/pipe"))
"""


def test_a_node_that_gives_way_to_a_link_changes_no_file_behind_it(tmp_path):
    """A container can put the link there between the node's making and what follows."""
    (tmp_path / "victim").touch(0o600)
    (tmp_path / "tree").mkdir()
    arguments = [str(tmp_path / "tree"), str(tmp_path / "victim"), *sys.path]
    done = subprocess.run(
        [sys.executable, "-c", SWAPPED_FIFO, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path / "victim")
    assert (tmp_path / "victim").stat().st_mode & 0o7777 == 0o600
