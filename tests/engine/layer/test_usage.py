from __future__ import annotations

import os
import resource

import pytest

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


@pytest.fixture
def few_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few_descriptors")
def test_many_folders_beside_each_other_take_few_descriptors(tmp_path):
    for number in range(100):
        (tmp_path / f"d{number}").mkdir()
        (tmp_path / f"d{number}" / "f").write_bytes(b"x")
    assert size_of(str(tmp_path)) == 100


@pytest.mark.usefixtures("few_descriptors")
def test_what_is_too_deep_does_not_hide_the_rest(tmp_path):
    (tmp_path / ("d/" * 100)).mkdir(parents=True)
    (tmp_path / "f").write_bytes(b"x")
    assert size_of(str(tmp_path)) == 1
