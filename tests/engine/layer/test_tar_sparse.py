from __future__ import annotations

import io
import os

import pytest

from engine.layer.tar_reader import TarReader
from engine.layer.tar_sparse import SparseTarWriter
from engine.layer.tree import OPEN_FOLDER

_PAGE = 1 << 16


def archived(folder, name: bytes) -> bytes:
    out = io.BytesIO()
    opened = os.open(folder, OPEN_FOLDER)
    writer = SparseTarWriter(out)
    writer.add(opened, name, name, os.stat(name, dir_fd=opened, follow_symlinks=False))
    writer.finish()
    os.close(opened)
    return out.getvalue()


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [(0, b"begin")],
        [(4 * _PAGE, b"middle")],
        [(0, b"a" * _PAGE), (10 * _PAGE, b"b"), (20 * _PAGE - 3, b"end")],
    ],
)
def test_a_file_with_holes_comes_back_as_it_was(tmp_path, pieces):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(20 * _PAGE)
        for offset, content in pieces:
            os.pwrite(file.fileno(), content, offset)
    content = archived(tmp_path, b"sparse")
    reader = TarReader(io.BufferedReader(io.BytesIO(content)), "test")
    (entry,) = [entry for entry in reader if _keep(reader, entry, tmp_path / "back")]
    assert (entry.name, entry.size) == (b"sparse", 20 * _PAGE)
    assert (tmp_path / "back").read_bytes() == (tmp_path / "sparse").read_bytes()
    assert len(content) < 6 * _PAGE


def test_a_file_without_holes_is_a_plain_entry(tmp_path):
    (tmp_path / "dense").write_bytes(b"x" * 1000)
    assert b"GNU.sparse" not in archived(tmp_path, b"dense")


def _keep(reader, entry, path) -> bool:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    reader.copy_to(descriptor, entry)
    os.close(descriptor)
    return True
