from __future__ import annotations

import os

import pytest

from engine.errors import StoreFailure
from engine.oci.digest import sha256
from engine.store.blobs import BlobStore


@pytest.fixture
def blobs(paths):
    return BlobStore(paths)


def test_what_was_put_is_read_by_its_digest(paths, blobs):
    digest = blobs.put(b"{}")
    assert digest == sha256(b"{}")
    assert blobs.read(digest) == b"{}"
    assert os.listdir(paths.staging) == []


def test_a_file_is_adopted_by_rename(paths, blobs, tmp_path):
    blobs.put(b"first, so that the folders exist")
    staged = f"{paths.staging}/layer"
    with open(staged, "wb") as file:
        file.write(b"layer")
    blobs.adopt(staged, sha256(b"layer"))
    assert blobs.has(sha256(b"layer"))
    assert not os.path.exists(staged)


def test_a_missing_blob_is_named(blobs):
    with pytest.raises(StoreFailure, match=sha256(b"gone").removeprefix("sha256:")):
        blobs.read(sha256(b"gone"))


def test_a_store_that_cannot_be_written_fails_with_a_remedy(paths):
    with open(paths.root, "w", encoding="ascii"):
        pass  # a file where the root should be
    with pytest.raises(StoreFailure) as caught:
        BlobStore(paths).put(b"x")
    assert "df" in caught.value.remedy
