from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.layer.copy_paths import Destination, Source, base, inside, placed, renamed, split


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/a/b", ("/a", "b")),
        ("/a/b/", ("/a", "b")),
        ("/a/b/.", ("/a/b", ".")),
        ("/", ("/", "/")),
        ("", (".", ".")),
    ],
)
def test_a_path_is_split_with_the_meaning_of_its_end(path, parts):
    assert split(path) == parts


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [("a", "/a"), ("/../a/", "/a/"), ("a/b/../.", "/a/."), ("", "/."), ("/", "/"), ("/.", "/.")],
)
def test_a_containers_path_begins_at_its_root(path, cleaned):
    assert inside(path) == cleaned


def test_the_last_name_of_nothing_is_the_folder_itself():
    assert (base(""), base("/"), base("a//"), base("a/.")) == (".", "/", "a", ".")


@pytest.mark.parametrize(
    ("folder", "destination", "result"),
    [
        (False, Destination(path="/d", exists=True, is_folder=True), ("/d", "src")),
        (True, Destination(path="/d", exists=True, is_folder=True), ("/d", "src")),
        (False, Destination(path="/d/f", exists=True), ("/d", "f")),
        (False, Destination(path="/d/new"), ("/d", "new")),
        (True, Destination(path="/d/new/"), ("/d", "new")),
    ],
)
def test_a_copy_is_placed_as_docker_places_it(folder, destination, result):
    assert placed(Source(path="/x/src", is_folder=folder), destination) == result


def test_the_content_alone_goes_into_a_folder_that_exists():
    destination = Destination(path="/d", exists=True, is_folder=True)
    assert placed(Source(path="/x/src/.", is_folder=True), destination) == ("/d", ".")


def test_a_file_to_a_new_name_that_says_folder_is_refused():
    with pytest.raises(InvalidInput, match="no such directory"):
        placed(Source(path="/src", is_folder=False), Destination(path="/d/new/"))


def test_a_folder_to_a_file_is_refused():
    with pytest.raises(InvalidInput, match="cannot copy directory"):
        placed(Source(path="/src", is_folder=True), Destination(path="/d/f", exists=True))


def test_a_followed_link_keeps_the_name_that_was_asked_for():
    assert renamed("/link", "/target").rename == "link"
    assert renamed("/link/.", "/target") == Source(path="/target/.", is_folder=False)
