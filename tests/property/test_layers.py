"""Trees and their tars carry the same facts, whatever the names, kinds and modes."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from engine.errors import InvalidArchive
from engine.layer.copy import copy_tree
from engine.layer.diff import measure_layer, write_layer_tar
from engine.layer.extract import extract
from engine.layer.tar_pax import parse_pax, pax_record
from tests.support.tars import listing, member, tar

pytestmark = pytest.mark.root

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
# Any bytes but the separator and NUL; ".wh." names mean something else and are tested by hand.
names = (
    st.binary(min_size=1, max_size=120)
    .map(lambda raw: raw.translate(None, b"/\0"))
    .filter(lambda name: name not in {b"", b".", b".."} and not name.startswith(b".wh."))
)
modes = st.integers(min_value=0, max_value=0o7777)
owners = st.integers(min_value=0, max_value=3_000_000)
times = st.integers(min_value=0, max_value=2**33 + 5)
contents = st.one_of(
    st.tuples(st.just("file"), st.binary(max_size=2000)),
    st.tuples(st.just("link"), st.binary(min_size=1, max_size=300).map(lambda raw: raw.replace(b"\0", b"x"))),
    st.tuples(st.just("folder"), st.just(b"")),
    st.tuples(st.just("fifo"), st.just(b"")),
    st.tuples(st.just("whiteout"), st.just(b"")),
    st.tuples(st.just("opaque"), st.just(b"")),
)
nodes = st.lists(
    st.tuples(st.lists(names, min_size=1, max_size=4), contents, modes, owners, times), max_size=12
)


def make(root: bytes, described) -> None:
    os.mkdir(root)
    for parts, (kind, content), mode, owner, mtime in described:
        folder = root
        for part in parts[:-1]:
            folder = os.path.join(folder, part)
            if not os.path.isdir(folder) and os.path.lexists(folder):
                break
            os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, parts[-1])
        if os.path.islink(folder) or not os.path.isdir(folder) or os.path.lexists(path):
            continue
        put(path, kind, content)
        if kind != "whiteout":
            os.chown(path, owner, owner, follow_symlinks=False)
            if kind != "link":
                os.chmod(path, mode)
            os.utime(path, (mtime, mtime), follow_symlinks=False)


def put(path: bytes, kind: str, content: bytes) -> None:
    if kind == "file":
        with open(path, "wb") as file:
            file.write(content)
    elif kind == "link":
        os.symlink(content, path)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "whiteout":
        os.mknod(path, 0o20000, 0)
    else:
        os.mkdir(path)
        if kind == "opaque":
            os.setxattr(path, "trusted.overlay.opaque", b"y")


@given(nodes)
@SETTINGS
def test_a_tree_becomes_a_tar_becomes_the_same_tree(described):
    with tempfile.TemporaryDirectory() as folder:
        make(os.fsencode(f"{folder}/one"), described)
        with open(f"{folder}/layer.tar", "wb") as out:
            write_layer_tar(f"{folder}/one", out)
        measured = measure_layer(f"{folder}/one")
        result = extract({"source": f"{folder}/layer.tar", "target": f"{folder}/two"}, [])
        assert listing(f"{folder}/two") == listing(f"{folder}/one")
        assert (result["diff_id"], result["size"], result["entries"]) == measured
        assert measure_layer(f"{folder}/two") == measured
        assert result["implied"] == []


@given(nodes)
@SETTINGS
def test_a_copy_is_the_same_layer(described):
    with tempfile.TemporaryDirectory() as folder:
        make(os.fsencode(f"{folder}/one"), described)
        copy_tree(f"{folder}/one", f"{folder}/two")
        assert listing(f"{folder}/two") == listing(f"{folder}/one")
        assert measure_layer(f"{folder}/two") == measure_layer(f"{folder}/one")


@given(st.binary(max_size=3000), st.integers(min_value=0, max_value=3000), st.booleans())
@SETTINGS
def test_no_bytes_at_all_do_more_than_be_refused(noise, at, with_head):
    good = tar(member("a", b"x" * 600), member("d"), member("d/b", b"y"))
    content = good[:at] + noise + good[at + len(noise) :] if with_head else noise
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/in")
        with open(f"{folder}/in/layer", "wb") as out:
            out.write(content)
        try:
            extract({"source": f"{folder}/in/layer", "target": f"{folder}/in/tree"}, [])
        except InvalidArchive:
            event("refused")
        assert os.listdir(folder) == ["in"]
        assert set(os.listdir(f"{folder}/in")) <= {"layer", "tree"}


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20).filter(
            lambda key: "=" not in key and not key.startswith("GNU.sparse")
        ),
        st.binary(min_size=1, max_size=300),
        max_size=5,
    )
)
@SETTINGS
def test_pax_records_are_read_as_they_were_written(records):
    payload = b"".join(pax_record(key, value) for key, value in records.items())
    assert parse_pax(payload, "it") == records
