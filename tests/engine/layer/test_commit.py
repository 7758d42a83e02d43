from __future__ import annotations

import os
import stat

import pytest

from engine.errors import StoreFailure
from engine.layer.commit import commit, settle
from engine.layer.diff import measure_layer
from engine.layer.extract import encode_names
from engine.oci.digest import chain_id

pytestmark = pytest.mark.root


@pytest.fixture
def upper(tmp_path):
    tree = tmp_path / "upper"
    (tree / "d").mkdir(parents=True)
    (tree / "d" / "a").write_text("12345")
    os.link(tree / "d" / "a", tree / "b")
    os.mknod(tree / "gone", 0o20000, 0)
    os.setxattr(tree / "d", "trusted.overlay.opaque", b"y")
    os.chown(tree / "d", 12, 34)
    os.chmod(tree / "d", 0o1770)
    os.utime(tree / "d", ns=(5, 123456789))
    return tree


def request(tmp_path, tree, **more):
    return {"tree": str(tree), "layers": str(tmp_path / "layers"), "parent": None, **more}


def test_a_step_is_renamed_not_copied(tmp_path, upper):
    inode = (upper / "d" / "a").stat().st_ino
    diff_id = measure_layer(str(upper))[0]
    result = commit(request(tmp_path, upper, parent="sha256:" + "1" * 64), [])
    assert result == {
        "chain_id": chain_id("sha256:" + "1" * 64, diff_id),
        "diff_id": diff_id,
        "size": 5,
        "entries": 4,
    }
    layer = tmp_path / "layers" / result["chain_id"].removeprefix("sha256:")
    assert (layer / "d" / "a").stat().st_ino == inode
    assert not upper.exists()


def test_a_copy_is_the_same_layer_and_leaves_the_original(tmp_path, upper):
    before = measure_layer(str(upper))[0]
    result = commit(request(tmp_path, upper, copy_to=str(tmp_path / "copy")), [])
    layer = tmp_path / "layers" / result["chain_id"].removeprefix("sha256:")
    assert result["diff_id"] == before == measure_layer(str(layer))[0]
    status = (layer / "d").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12, 34, 0o1770)
    assert status.st_mtime_ns == 123456789
    assert (layer / "d" / "a").stat().st_ino == (layer / "b").stat().st_ino
    assert os.getxattr(layer / "d", "trusted.overlay.opaque") == b"y"
    assert (upper / "d" / "a").exists()


def test_holes_stay_holes_in_a_copy(tmp_path):
    (tmp_path / "upper").mkdir()
    with open(tmp_path / "upper" / "f", "wb") as file:
        file.write(b"begin")
        file.seek(50 << 20)
        file.write(b"end")
    result = commit(request(tmp_path, tmp_path / "upper", copy_to=str(tmp_path / "copy")), [])
    copied = tmp_path / "layers" / result["chain_id"].removeprefix("sha256:") / "f"
    assert copied.stat().st_blocks * 512 < 1 << 20
    assert copied.read_bytes() == (tmp_path / "upper" / "f").read_bytes()


def test_a_layer_that_exists_wins(tmp_path, upper):
    first = commit(request(tmp_path, upper, copy_to=str(tmp_path / "copy")), [])
    assert commit(request(tmp_path, upper), []) == first
    assert sorted(os.listdir(tmp_path)) == ["layers"]


def test_stubs_go_unless_something_was_put_in_them(tmp_path, upper):
    (upper / "etc").mkdir()
    (upper / "etc" / "hosts").touch()
    (upper / "mnt" / "empty").mkdir(parents=True)
    (upper / "mnt" / "used").mkdir()
    (upper / "mnt" / "used" / "x").touch()
    os.utime(upper / "mnt", ns=(1, 77))
    stubs = ["/etc/hosts", "mnt/used", "mnt/empty", "no/such"]
    result = commit(request(tmp_path, upper, stubs=stubs), [])
    layer = tmp_path / "layers" / result["chain_id"].removeprefix("sha256:")
    assert os.listdir(layer / "etc") == []
    assert os.listdir(layer / "mnt") == ["used"]
    assert (layer / "mnt").stat().st_mtime_ns == 77


def test_no_change_makes_no_layer_when_asked(tmp_path):
    (tmp_path / "upper").mkdir()
    result = commit(request(tmp_path, tmp_path / "upper", skip_empty=True), [])
    assert result["chain_id"] is None
    assert os.listdir(tmp_path) == ["upper"]


def test_a_missing_tree_is_a_failure_that_names_it(tmp_path):
    with pytest.raises(StoreFailure, match="nothing-here"):
        commit(request(tmp_path, tmp_path / "nothing-here"), [])


class TestSettle:
    def tree(self, tmp_path, name, *folders):
        for folder in ("", *folders):
            (tmp_path / name / folder).mkdir(parents=True, exist_ok=True)
        return tmp_path / name

    def settle(self, tmp_path, top, implied, *lowers):
        chain = "sha256:" + "2" * 64
        item = {"tree": str(top), "chain_id": chain, "implied": encode_names(implied)}
        settle({"trees": [item], "lowers": [str(x) for x in lowers], "layers": str(tmp_path / "layers")}, [])
        return tmp_path / "layers" / ("2" * 64)

    def test_an_implied_directory_takes_after_the_nearest_below(self, tmp_path):
        low, middle = self.tree(tmp_path, "low", "etc"), self.tree(tmp_path, "middle", "etc")
        os.chown(low / "etc", 1, 1)
        os.chown(middle / "etc", 7, 8)
        os.chmod(middle / "etc", 0o2750)
        os.setxattr(middle / "etc", "user.note", b"x")
        os.utime(middle / "etc", ns=(1, 42))
        layer = self.settle(tmp_path, self.tree(tmp_path, "top", "etc"), [(b"etc",)], middle, low)
        status = (layer / "etc").stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (7, 8, 0o2750)
        assert (status.st_mtime_ns, os.getxattr(layer / "etc", "user.note")) == (42, b"x")

    def test_what_is_deleted_below_has_nothing_to_give(self, tmp_path):
        low, middle = self.tree(tmp_path, "low", "etc"), self.tree(tmp_path, "middle")
        os.chmod(low / "etc", 0o700)
        os.mknod(middle / "etc", 0o20000, 0)
        layer = self.settle(tmp_path, self.tree(tmp_path, "top", "etc"), [(b"etc",)], middle, low)
        assert stat.S_IMODE((layer / "etc").stat().st_mode) == 0o755

    def test_the_root_takes_after_the_root_below(self, tmp_path):
        low = self.tree(tmp_path, "low")
        os.chmod(low, 0o711)
        layer = self.settle(tmp_path, self.tree(tmp_path, "top", "a"), [()], low)
        assert stat.S_IMODE(layer.stat().st_mode) == 0o711

    def test_a_layer_of_the_same_image_counts_as_below(self, tmp_path):
        low, top = self.tree(tmp_path, "low", "etc"), self.tree(tmp_path, "top", "etc")
        os.chmod(low / "etc", 0o700)
        items = [
            {"tree": str(low), "chain_id": "sha256:" + "1" * 64, "implied": []},
            {"tree": str(top), "chain_id": "sha256:" + "2" * 64, "implied": ["etc"]},
        ]
        settle({"trees": items, "lowers": [], "layers": str(tmp_path / "layers")}, [])
        assert stat.S_IMODE((tmp_path / "layers" / ("2" * 64) / "etc").stat().st_mode) == 0o700
