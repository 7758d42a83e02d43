from __future__ import annotations

import os

from engine.layer.usage import measure, size_of


def test_content_counts_and_a_file_with_two_names_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/f").write_bytes(b"x" * 100)
    os.link(tmp_path / "a/f", tmp_path / "g")
    (tmp_path / "h").write_bytes(b"y" * 7)
    (tmp_path / "link").symlink_to("h")
    assert size_of(str(tmp_path)) == 107


def test_what_is_gone_takes_nothing(tmp_path):
    assert measure({"trees": [f"{tmp_path}/none", str(tmp_path)]}, []) == [0, 0]
