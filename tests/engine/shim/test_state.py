"""Locks tell who lives; files appear whole; removal follows no link."""

from __future__ import annotations

import json
import os
import resource
import subprocess

import pytest

from engine.shim import lock, state
from engine.store.journal import LINE_LIMIT, decode_line


def test_json_is_replaced_as_a_whole(tmp_path):
    path = str(tmp_path / "state.json")
    state.write_json(path, {"a": 1}, durable=False)
    state.write_json(path, {"a": 2}, durable=True)
    with open(path) as file:
        assert json.load(file) == {"a": 2}
    assert os.listdir(tmp_path) == ["state.json"]


def test_removal_follows_no_link(tmp_path):
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    outside.mkdir()
    (outside / "kept").touch()
    (tree / "deep" / "deeper").mkdir(parents=True)
    (tree / "deep" / "file").touch()
    (tree / "link").symlink_to(outside)
    state.remove(str(tree))
    assert (tree.exists(), (outside / "kept").exists()) == (False, True)


def test_removal_of_a_link_keeps_its_target(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    state.remove(str(tmp_path / "link"))
    assert os.listdir(tmp_path) == ["target"]


def test_run_folder_goes_with_its_lock(tmp_path):
    run = tmp_path / "run"
    assert lock.take_lock(str(run / "lock")) is not None
    (run / "bundle.json").touch()
    (run / "socket").touch()
    state.remove_run_dir(str(run))
    assert os.listdir(tmp_path) == []


def test_removal_of_a_tree_deeper_than_a_path_is_long(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(2500):
        os.mkdir("deep", dir_fd=here)
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
        above, here = here, os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(above)
    os.close(here)
    state.remove(str(tree))
    left = os.listdir(tmp_path)
    subprocess.run(["rm", "-rf", str(tree)], check=True)  # what pytest itself could not remove
    assert left == []


def test_removal_of_what_is_not_there_is_no_failure(tmp_path):
    state.remove(str(tmp_path / "missing"))
    assert os.listdir(tmp_path) == []


def test_json_that_does_not_fit_replaces_nothing(tmp_path):
    path = str(tmp_path / "state.json")
    state.write_json(path, {"a": 1}, durable=False)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As a full disk: the first write(2) takes a part, the next none.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            state.write_json(path, {"a": "x" * 8192}, durable=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with open(path) as file:
        assert json.load(file) == {"a": 1}
    assert os.listdir(tmp_path) == ["state.json"]


@pytest.mark.parametrize(
    "labels",
    [
        {"long": "x" * 100_000},
        {"long": "\N{SNOWMAN}" * 2000, "other": "y" * 2000},
        {f"label{n}": "x" * 2000 for n in range(30)},
        {f"label{n:060}": "" for n in range(1000)},
    ],
)
def test_an_event_with_long_labels_is_one_line_that_readers_take(tmp_path, labels):
    path = f"{tmp_path}/events"
    bundle = {"id": "c" * 64, "events_path": path, "event_attributes": {"name": "n", "image": "i", **labels}}
    for code in ("3", "4"):
        state.append_event(bundle, "die", exitCode=code)
    with open(path, "rb") as file:
        lines = file.readlines()
    assert max(map(len, lines)) <= LINE_LIMIT
    events = [decode_line(line) for line in lines]
    assert [(event.attributes["name"], event.attributes["exitCode"]) for event in events] == [
        ("n", "3"),
        ("n", "4"),
    ]


def test_a_journal_that_got_long_is_renamed_and_begun_again(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x" * (1 << 20))
    bundle = {"events_path": str(path), "id": "a" * 64}
    state.append_event(bundle, "start")
    state.append_event(bundle, "die")
    assert (tmp_path / "events.jsonl.1").read_bytes().count(b'"start"') == 1
    assert path.read_bytes().count(b"\n") == 1
