"""Names of users in an image that may be anything."""

from __future__ import annotations

import os

import pytest

from engine.build.owner import resolve_owner
from engine.build.source import SourceTree
from engine.errors import InvalidInput


@pytest.fixture
def image(tmp_path):
    (tmp_path / "etc").mkdir()
    return tmp_path


def test_a_user_is_the_images(image):
    (image / "etc/passwd").write_text("root:x:0:0::/:\nann:x:5:6::/:\n")
    (image / "etc/group").write_text("staff:x:50:\n")
    tree = SourceTree(str(image))
    assert (resolve_owner("ann", tree), resolve_owner("ann:staff", tree)) == ((5, 6), (5, 50))


def test_a_pipe_is_no_list_of_users(image):
    os.mkfifo(image / "etc/passwd")
    with pytest.raises(InvalidInput, match="no user ann"):
        resolve_owner("ann", SourceTree(str(image)))


def test_a_hole_of_any_size_is_not_read_into_memory(image):
    with open(image / "etc/passwd", "wb") as file:
        file.write(b"ann:x:5:6::/:\n")
        file.truncate(1 << 40)
    assert resolve_owner("ann", SourceTree(str(image))) == (5, 6)
