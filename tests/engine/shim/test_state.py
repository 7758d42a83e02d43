"""Locks tell who lives; files appear whole; removal follows no link."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from engine.shim import state

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def hold(path: str) -> subprocess.Popen[str]:
    program = (
        "import sys, time; sys.path[:0] = [sys.argv[1]]\n"
        "from engine.shim import state\n"
        "print(state.take_lock(sys.argv[2]) is not None, flush=True); time.sleep(1000)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, ROOT, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_lock_of_a_living_process_is_taken_and_names_it(tmp_path):
    path = str(tmp_path / "run" / "lock")
    holder = hold(path)
    assert state.lock_holder(path) == holder.pid
    assert state.take_lock(path) is None
    assert state.take_lock_of_dead(path) is None
    end(holder)
    assert state.lock_holder(path) == 0
    assert state.take_lock(path) is not None


def test_lock_of_nothing(tmp_path):
    path = str(tmp_path / "run" / "lock")
    assert state.lock_holder(path) == 0
    assert state.take_lock_of_dead(path) is None
    assert not os.path.exists(tmp_path / "run")


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
    assert state.take_lock(str(run / "lock")) is not None
    (run / "bundle.json").touch()
    (run / "socket").touch()
    state.remove_run_dir(str(run))
    assert os.listdir(tmp_path) == []
