from __future__ import annotations

import os

import pytest

from engine.errors import StoreFailure
from engine.layer.tree import remove, storage_errors

pytestmark = pytest.mark.root


def test_removal_does_not_follow_links(tmp_path):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "a").touch()
    (tmp_path / "tree").mkdir()
    os.symlink(tmp_path / "victim", tmp_path / "tree" / "l")
    remove({"paths": [str(tmp_path / "tree")]}, [])
    assert (tmp_path / "victim" / "a").exists()
    assert not (tmp_path / "tree").exists()


def test_removal_tells_the_bytes_of_content_that_are_free_now(tmp_path):
    (tmp_path / "tree" / "d").mkdir(parents=True)
    (tmp_path / "tree" / "a").write_bytes(b"x" * 100)
    os.link(tmp_path / "tree" / "a", tmp_path / "tree" / "d" / "b")
    os.link(tmp_path / "tree" / "a", tmp_path / "kept")
    assert remove({"paths": [str(tmp_path / "tree")]}, []) == 0
    (tmp_path / "kept2").write_bytes(b"y" * 50)
    assert remove({"paths": [str(tmp_path / "kept2"), str(tmp_path / "missing")]}, []) == 50


def test_a_full_disk_is_named_with_its_remedy():
    with pytest.raises(StoreFailure, match="No space left") as caught, storage_errors("/store"):
        raise OSError(28, "No space left on device")
    assert "prune" in caught.value.remedy
