import pytest

from engine.oci.config import ContainerConfig
from engine.records import HistoryEntry, Image
from tuidock.cli.image_rows import history_row, rows, split_name

_NOW = 10**18


def _image(*names, digests=()):
    return Image(
        id="sha256:" + "ab" * 32,
        names=names,
        digests=digests,
        created=_NOW - 2 * 3600 * 10**9,
        size=4_430_000,
        config=ContainerConfig(),
        architecture="amd64",
        os="linux",
        chain_ids=(),
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("busybox:latest", ("busybox", "latest")),
        ("host:5000/app:1", ("host:5000/app", "1")),
        ("host:5000/app", ("host:5000/app", "<none>")),
        ("app@sha256:00", ("app", "<none>")),
    ],
)
def test_names_are_split_into_repository_and_tag(name, expected):
    assert split_name(name) == expected


def test_every_name_has_a_row():
    found = list(rows([_image("a:1", "b:2")], _NOW, truncate=True, digests=False))
    assert [(row["Repository"], row["Tag"], row["ID"]) for row in found] == [
        ("a", "1", "ab" * 6),
        ("b", "2", "ab" * 6),
    ]


def test_an_image_without_a_name_shows_none():
    row = next(rows([_image()], _NOW, truncate=True, digests=False))
    assert (row["Repository"], row["Tag"], row["CreatedSince"], row["Size"]) == (
        "<none>",
        "<none>",
        "2 hours ago",
        "4.43MB",
    )


_DIGESTS = ("a@sha256:01", "a@sha256:02", "c@sha256:03")


@pytest.mark.parametrize(
    ("digests", "expected"),
    [
        (False, [("a", "1", "<none>"), ("b", "2", "<none>"), ("c", "<none>", "<none>")]),
        (
            True,
            [
                ("a", "1", "sha256:01"),
                ("a", "1", "sha256:02"),
                ("b", "2", "<none>"),
                ("c", "<none>", "sha256:03"),
            ],
        ),
    ],
)
def test_digests_are_shown_with_the_names_of_their_repository(digests, expected):
    image = _image("a:1", "b:2", digests=_DIGESTS)
    found = rows([image], _NOW, truncate=True, digests=digests)
    assert [(row["Repository"], row["Tag"], row["Digest"]) for row in found] == expected


def test_history_cuts_long_instructions():
    entry = HistoryEntry(image_id="", created=_NOW, created_by="x" * 60, size=0)
    row = history_row(entry, _NOW, truncate=True, human=True)
    assert (row["ID"], len(row["CreatedBy"]), row["Size"]) == ("<missing>", 45, "0B")
