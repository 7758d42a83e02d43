from __future__ import annotations

import errno
import os

import pytest

from engine.shim import beneath


@pytest.fixture
def root(tmp_path):
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.fixture
def top():
    fd = os.open("/", os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_an_absolute_link_leads_to_a_place_inside(root, tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    os.close(beneath.make(root, "/link/new", directory=True))
    assert (tmp_path / "etc" / "new").is_dir()


def test_dots_do_not_climb_out(root, tmp_path):
    (tmp_path / "link").symlink_to("../../../../../..")
    found = beneath.resolve(root, "/link/..")
    assert os.path.samestat(os.fstat(found), os.stat(tmp_path))
    os.close(found)


def test_parents_and_file_are_made(root, tmp_path):
    os.close(beneath.make(root, "/a/b/file", directory=False))
    assert (tmp_path / "a" / "b" / "file").is_file()


@pytest.mark.parametrize("path", ["/proc/self/fd/0", "/proc/self/root", "/proc/self/cwd", "/proc/self/exe"])
def test_links_of_procfs_to_open_files_are_not_followed(top, path):
    with pytest.raises(OSError) as caught:
        beneath.resolve(top, path)
    assert caught.value.errno == errno.ELOOP


def test_no_link_is_followed_where_none_may_be(root, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError) as caught:
        beneath.resolve(root, "/link", links=False)
    assert caught.value.errno == errno.ELOOP


def test_the_name_of_what_was_found_has_no_links_in_it(root, tmp_path):
    (tmp_path / "real" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    found = beneath.resolve(root, "link/below")
    assert beneath.name_of(root, found) == "/real/below"
    assert beneath.name_of(root, root) == "/"
    os.close(found)
